#include "core/plugins.hpp"

#include "runtime/clock.hpp"
#include "runtime/names.hpp"
#include "runtime/wire.hpp"
#include "sdk/permit.hpp"

namespace pvcd::core {
namespace {

namespace names = runtime::names;

DomainProbe unknown(DomainProbe*, const std::string& why) { return {DomainState::Unknown, std::nullopt, why}; }
CreateAnswer unknown(CreateAnswer*, const std::string& why) { return {Outcome::Unknown, std::nullopt, why}; }
Answer unknown(Answer*, const std::string& why) { return {Outcome::Unknown, why}; }
Identified unknown(Identified*, const std::string& why) { return {Outcome::Unknown, {}, why}; }
StorageFenced unknown(StorageFenced*, const std::string& why) { return {Outcome::Unknown, {}, {}, why}; }
PowerReading unknown(PowerReading*, const std::string& why) { return {PowerState::Unknown, {}, why}; }
StorageSurvey unknown(StorageSurvey*, const std::string& why) {
  StorageSurvey survey;
  survey.note = why;
  return survey;
}
HookVerdict unknown(HookVerdict*, const std::string& why) {
  HookVerdict verdict;
  verdict.reason = why;
  return verdict;
}

// How a request is sent, apart from what it says.
struct Sending {
  Plugins::PermitNow permit;
  std::string lane = {};
  Urgency urgency = Urgency::Look;
  Microseconds limit = runtime::answer_limit;
  std::function<void()> sent = {};
};

}  // namespace

struct Plugins::State {
  struct Followed {
    std::unique_ptr<sdbus::IProxy> proxy;
    std::function<void(const std::string&, const std::string&)> fact;
    std::function<void()> vanished;
  };

  State(runtime::Bus& used, Microseconds limit) : bus(used), hook_limit(limit) {
    daemon = sdbus::createProxy(bus.connection(), "org.freedesktop.DBus", "/org/freedesktop/DBus");
    daemon->uponSignal("NameOwnerChanged")
        .onInterface("org.freedesktop.DBus")
        .call([this](const std::string& name, const std::string&, const std::string& owner) {
          owner_changed(name, owner);
        });
    daemon->finishRegistration();
  }

  sdbus::IProxy& proxy(const std::string& plugin) {
    auto& found = proxies[plugin];
    if (!found) {
      found = sdbus::createProxy(bus.connection(), names::plugin_bus(plugin), names::plugin_path);
      found->finishRegistration();
    }
    return *found;
  }

  template <class Reply, class Request>
  void call(const std::string& plugin, const char* interface, const char* method, const Request& request,
            std::function<void(Reply)> answered, Sending how) {
    const auto not_sent = [plugin, answered](const std::string& why) {
      answered(unknown(static_cast<Reply*>(nullptr), "plugin " + plugin + ": " + why));
    };
    const auto answer = [this, plugin, answered, not_sent, lane = how.lane](const sdbus::Error* error,
                                                                            const std::string& text) {
      queues[plugin].ended(lane, runtime::boottime_us());
      if (error) return not_sent(error->getMessage());
      auto decoded = runtime::decode<Reply>(text);
      if (auto* wrong = std::get_if<std::string>(&decoded)) return not_sent("it answered something else: " + *wrong);
      answered(std::get<Reply>(std::move(decoded)));
    };
    PluginQueue::Call queued{how.lane, how.urgency, {}, not_sent};
    queued.send = [this, plugin, interface, method, request, answer, not_sent, how = std::move(how)] {
      const std::optional<Permit> permit = how.permit();
      if (!permit) return not_sent("not asked, because the right to it has gone"), false;
      Request permitted = request;
      permitted.permit = *permit;
      if (how.sent) how.sent();
      try {
        proxy(plugin)
            .callMethodAsync(method)
            .onInterface(interface)
            .withTimeout(how.limit)
            .withArguments(runtime::encode(permitted))
            .uponReplyInvoke(answer);
      } catch (const sdbus::Error& error) {
        return not_sent(error.getMessage()), false;
      }
      return true;
    };
    queues[plugin].add(std::move(queued), runtime::boottime_us());
  }

  Sending hook(PermitNow permit) const {
    Sending how;
    how.permit = std::move(permit);
    how.limit = hook_limit;
    return how;
  }

  void owner_changed(const std::string& name, const std::string& owner) {
    for (auto& [plugin, followed] : follows) {
      if (names::plugin_bus(plugin) != name) continue;
      if (owner.empty())
        followed.vanished();
      else
        read_facts(plugin);
    }
  }

  void read_facts(const std::string& plugin) {
    follows.at(plugin)
        .proxy->callMethodAsync("Get")
        .onInterface("org.freedesktop.DBus.Properties")
        .withArguments(std::string(names::plugin_interface), std::string("Facts"))
        .uponReplyInvoke([this, plugin](const sdbus::Error* error, const sdbus::Variant& facts) {
          if (error) return;  // absent: NameOwnerChanged tells when it comes
          for (const auto& [key, value] : facts.get<std::map<std::string, std::string>>())
            follows.at(plugin).fact(key, value);
        });
  }

  runtime::Bus& bus;
  Microseconds hook_limit;
  std::unique_ptr<sdbus::IProxy> daemon;
  std::map<std::string, std::unique_ptr<sdbus::IProxy>> proxies;
  std::map<std::string, PluginQueue> queues;
  std::map<std::string, Followed> follows;
};

Plugins::Plugins(runtime::Bus& bus, Microseconds hook_limit) : state_(std::make_unique<State>(bus, hook_limit)) {}
Plugins::~Plugins() = default;

Plugins::PermitNow Plugins::while_awaited(Microseconds limit, Epoch epoch) {
  return [limit, epoch] { return Permit{runtime::boottime_us() + limit, epoch}; };
}

void Plugins::probe(const std::string& plugin, const ProbeRequest& request, PermitNow permit,
                    Answered<DomainProbe> answered) {
  state_->call(plugin, names::hypervisor_interface, "Probe", request, std::move(answered), {std::move(permit)});
}
void Plugins::create(const std::string& plugin, const CreateRequest& request, PermitNow permit,
                     Answered<CreateAnswer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Create", request, std::move(answered), {std::move(permit)});
}
void Plugins::resume(const std::string& plugin, const DomainRequest& request, PermitNow permit,
                     Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Resume", request, std::move(answered), {std::move(permit)});
}
void Plugins::shutdown(const std::string& plugin, const DomainRequest& request, PermitNow permit,
                       Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Shutdown", request, std::move(answered), {std::move(permit)});
}
void Plugins::destroy(const std::string& plugin, const DomainRequest& request, PermitNow permit,
                      Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Destroy", request, std::move(answered), {std::move(permit)});
}
void Plugins::before_start(const std::string& plugin, const VmStart& request, PermitNow permit,
                           Answered<HookVerdict> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "BeforeStart", request, std::move(answered),
               state_->hook(std::move(permit)));
}
void Plugins::identify(const std::string& plugin, const ImagesRequest& request, PermitNow permit,
                       Answered<Identified> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "Identify", request, std::move(answered),
               state_->hook(std::move(permit)));
}
void Plugins::after_stop(const std::string& plugin, const VmStopped& request, PermitNow permit,
                         Answered<Answer> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "AfterStop", request, std::move(answered),
               state_->hook(std::move(permit)));
}
void Plugins::read(const std::string& plugin, const ReadRequest& request, Urgency urgency, PermitNow permit,
                   std::function<void(PowerReading, Instant)> answered) {
  const auto asked_at = std::make_shared<Instant>(runtime::boottime_us());
  Sending how;
  how.permit = std::move(permit);
  how.lane = request.node;
  how.urgency = urgency;
  how.sent = [asked_at] { *asked_at = runtime::boottime_us(); };
  const Answered<PowerReading> timed = [asked_at, answered](PowerReading reading) {
    answered(std::move(reading), *asked_at);
  };
  state_->call(plugin, names::fencer_interface, "Read", request, timed, std::move(how));
}
void Plugins::power(const std::string& plugin, const PowerRequest& request, PermitNow permit,
                    Answered<Answer> answered) {
  state_->call(plugin, names::fencer_interface, "Power", request, std::move(answered),
               {std::move(permit), request.node, Urgency::Act});
}
void Plugins::fence_storage(const std::string& plugin, const StorageFenceRequest& request, Microseconds limit,
                            PermitNow permit, Answered<StorageFenced> answered) {
  Sending how;
  how.permit = std::move(permit);
  how.limit = limit;
  state_->call(plugin, names::storage_fencer_interface, "FenceStorage", request, std::move(answered), std::move(how));
}
void Plugins::role_change(const std::string& plugin, const RoleChange& request, PermitNow permit,
                          Answered<Answer> answered) {
  Sending how;
  how.permit = std::move(permit);
  how.limit = runtime::role_hook_limit;
  state_->call(plugin, names::role_hook_interface, "RoleChange", request, std::move(answered), std::move(how));
}
void Plugins::claim(const std::string& plugin, const ClaimRequest& request, Answered<Answer> answered) {
  const auto permit = [permit = request.permit] { return holds(permit) ? std::optional(permit) : std::nullopt; };
  state_->call(plugin, names::elector_interface, "Claim", request, std::move(answered), {permit});
}
void Plugins::vacate(const std::string& plugin, const VacateRequest& request, PermitNow permit,
                     Answered<Answer> answered) {
  state_->call(plugin, names::elector_interface, "Vacate", request, std::move(answered), {std::move(permit)});
}

void Plugins::observe(const std::string& plugin, PermitNow permit, Answered<StorageSurvey> answered) {
  state_->call(plugin, names::storage_observer_interface, "Observe", ObserveRequest{}, std::move(answered),
               {std::move(permit)});
}

void Plugins::follow(const std::string& plugin, std::function<void(const std::string&, const std::string&)> fact,
                     std::function<void()> vanished) {
  auto proxy = sdbus::createProxy(state_->bus.connection(), names::plugin_bus(plugin), names::plugin_path);
  proxy->uponSignal("Reported")
      .onInterface(names::plugin_interface)
      .call([fact](const std::string& key, const std::string& value) { fact(key, value); });
  proxy->finishRegistration();
  state_->follows.insert_or_assign(plugin, State::Followed{std::move(proxy), std::move(fact), std::move(vanished)});
  state_->read_facts(plugin);
}

}  // namespace pvcd::core
