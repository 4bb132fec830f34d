// The Hypervisor: libvirt starts and stops, /proc and pidfds say what runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "domain_facts.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"
#include "start_token.hpp"

namespace pvcd::libvirt {

class RightToAct;

class Libvirt : public Plugin, public Hypervisor {
 public:
  explicit Libvirt(std::string start_token_directory = start_tokens)
      : start_tokens_(std::move(start_token_directory)) {}

  void start(Host&) override;
  void stop() noexcept override;

  DomainProbe probe(const ProbeRequest&) override;
  CreateAnswer create(const CreateRequest&) override;
  Answer resume(const DomainRequest&) override;
  Answer shutdown(const DomainRequest&) override;
  Answer destroy(const DomainRequest&) override;

 private:
  // The processes of one VM that live here. Not certain: there may be more.
  struct Living {
    bool certain = true;
    std::vector<Process> processes;
    std::string note;
  };
  using Act = std::function<Answer(const Connect&, const RightToAct&)>;

  Living living(const VmUuid&, const std::vector<Process>& recorded) const;
  bool is_the_only_one(const DomainRequest&, std::string& why_not) const;
  DomainState ask_libvirt(const VmUuid&) const;
  Answer ask_libvirt_to(const Permit&, Microseconds limit, Act) const;
  void notice_hook(bool ran);
  void take_news();
  static int on_news(sd_event_source*, int, std::uint32_t, void* plugin);

  const std::string start_tokens_;
  Host* host_ = nullptr;
  Processes processes_;
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<DomainFacts> facts_;
  sd_event_source* news_source_ = nullptr;
  std::string last_problem_;
  bool said_without_hook_ = false;
};

}  // namespace pvcd::libvirt
