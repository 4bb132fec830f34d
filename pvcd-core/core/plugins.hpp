// The core's side of the plugins: requests go down and never block, answers and facts come up. A plugin that is absent,
// hung or late is the Unknown of the answer, here and nowhere else. What a plugin cannot take up at once waits in a
// queue (plugin_queue.hpp); its permit is that of the moment in which it is sent.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/plugin_queue.hpp"
#include "runtime/bus.hpp"
#include "sdk/roles.hpp"

namespace pvcd::core {

class Plugins {
 public:
  Plugins(runtime::Bus&, Microseconds hook_limit);  // a hook's answer that comes later is Unknown
  ~Plugins();

  template <class T>
  using Answered = std::function<void(T)>;
  using PermitNow = std::function<std::optional<Permit>()>;  // nothing: the right to act has gone, do not send it

  // For what needs no right (sdk/roles.hpp): until its answer is no longer waited for.
  static PermitNow while_awaited(Microseconds limit, Epoch);

  // Hypervisor
  void probe(const std::string& plugin, const ProbeRequest&, PermitNow, Answered<DomainProbe>);
  void create(const std::string& plugin, const CreateRequest&, PermitNow, Answered<CreateAnswer>);
  void resume(const std::string& plugin, const DomainRequest&, PermitNow, Answered<Answer>);
  void shutdown(const std::string& plugin, const DomainRequest&, PermitNow, Answered<Answer>);
  void destroy(const std::string& plugin, const DomainRequest&, PermitNow, Answered<Answer>);
  // PreStartHook
  void before_start(const std::string& plugin, const VmStart&, PermitNow, Answered<HookVerdict>);
  void identify(const std::string& plugin, const ImagesRequest&, PermitNow, Answered<Identified>);
  void after_stop(const std::string& plugin, const VmStopped&, PermitNow, Answered<Answer>);
  // Fencer
  void read(const std::string& plugin, const ReadRequest&, Urgency, PermitNow,
            std::function<void(PowerReading, Instant asked_at)>);
  void power(const std::string& plugin, const PowerRequest&, PermitNow, Answered<Answer>);
  // StorageFencer: within `limit`
  void fence_storage(const std::string& plugin, const StorageFenceRequest&, Microseconds limit, PermitNow,
                     Answered<StorageFenced>);
  // RoleHook: as long as it takes; the caller decides how long to wait
  void role_change(const std::string& plugin, const RoleChange&, PermitNow, Answered<Answer>);
  // Elector: the claim's own permit is that of the decision
  void claim(const std::string& plugin, const ClaimRequest&, Answered<Answer>);
  void vacate(const std::string& plugin, const VacateRequest&, PermitNow, Answered<Answer>);
  // StorageObserver
  void observe(const std::string& plugin, PermitNow, Answered<StorageSurvey>);

  // The facts of a plugin: all of them when it appears, then each as it changes; `vanished` when it is gone.
  void follow(const std::string& plugin, std::function<void(const std::string& key, const std::string& value)> fact,
              std::function<void()> vanished);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pvcd::core
