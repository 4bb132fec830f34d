// Turns libvirt's news and the ends of processes into facts. "gone" comes from a pidfd whenever there was a process:
// the word of libvirt alone is not enough (safety rule 3).
#pragma once

#include <list>
#include <map>
#include <string>
#include <vector>

#include "connection.hpp"
#include "pidfd.hpp"
#include "sdk/plugin.hpp"

struct sd_event_source;

namespace pvcd::libvirt {

class DomainFacts {
 public:
  DomainFacts(Host&, const Processes&);
  ~DomainFacts();
  DomainFacts(const DomainFacts&) = delete;
  DomainFacts& operator=(const DomainFacts&) = delete;

  void watch_running();  // what runs before libvirt has said anything
  void apply(const News&);

  // Whose a QEMU was that cannot be asked any more; empty if it was never seen.
  VmUuid remembered(const Process&) const;

 private:
  struct Watched {
    DomainFacts* facts;
    VmUuid uuid;
    Process process;
    Pidfd pidfd;
    sd_event_source* source;
  };
  static int on_end(sd_event_source*, int, std::uint32_t, void* watched);
  void watch(const Qemu&);
  void ended(Watched&);
  bool watching(const VmUuid&) const;
  void change(const VmUuid&, DomainState);
  void say(const std::string& key, const std::string& value);

  Host& host_;
  const Processes& processes_;
  std::list<Watched> watched_;  // addresses stay: the loop has them
  std::map<std::string, std::string> said_;
};

}  // namespace pvcd::libvirt
