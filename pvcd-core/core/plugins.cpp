#include "core/plugins.hpp"

#include "runtime/names.hpp"
#include "runtime/wire.hpp"

namespace pvcd::core {
namespace {

namespace names = runtime::names;

// How long the bus waits for an answer; the plugin's own limits are shorter. Hooks before a start have a configured
// one, and a role hook may take as long as it needs.
constexpr Microseconds answer_limit = seconds(30);
constexpr Microseconds role_hook_limit = seconds(3600);

DomainProbe unknown(DomainProbe*, const std::string& why) { return {DomainState::Unknown, std::nullopt, why}; }
CreateAnswer unknown(CreateAnswer*, const std::string& why) { return {Outcome::Unknown, std::nullopt, why}; }
Answer unknown(Answer*, const std::string& why) { return {Outcome::Unknown, why}; }
Identified unknown(Identified*, const std::string& why) { return {Outcome::Unknown, {}, why}; }
PowerReading unknown(PowerReading*, const std::string& why) { return {PowerState::Unknown, {}, why}; }
HookVerdict unknown(HookVerdict*, const std::string& why) {
  HookVerdict verdict;
  verdict.reason = why;
  return verdict;
}

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
            std::function<void(Reply)> answered, Microseconds limit = answer_limit) {
    const auto answer = [answered, plugin](const sdbus::Error* error, const std::string& text) {
      if (error)
        return answered(unknown(static_cast<Reply*>(nullptr), "plugin " + plugin + ": " + error->getMessage()));
      auto decoded = runtime::decode<Reply>(text);
      if (auto* wrong = std::get_if<std::string>(&decoded))
        return answered(
            unknown(static_cast<Reply*>(nullptr), "plugin " + plugin + " answered something else: " + *wrong));
      answered(std::get<Reply>(std::move(decoded)));
    };
    proxy(plugin)
        .callMethodAsync(method)
        .onInterface(interface)
        .withTimeout(limit)
        .withArguments(runtime::encode(request))
        .uponReplyInvoke(answer);
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
  std::map<std::string, Followed> follows;
};

Plugins::Plugins(runtime::Bus& bus, Microseconds hook_limit) : state_(std::make_unique<State>(bus, hook_limit)) {}
Plugins::~Plugins() = default;

void Plugins::probe(const std::string& plugin, const ProbeRequest& request, Answered<DomainProbe> answered) {
  state_->call(plugin, names::hypervisor_interface, "Probe", request, std::move(answered));
}
void Plugins::create(const std::string& plugin, const CreateRequest& request, Answered<CreateAnswer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Create", request, std::move(answered));
}
void Plugins::resume(const std::string& plugin, const DomainRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Resume", request, std::move(answered));
}
void Plugins::shutdown(const std::string& plugin, const DomainRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Shutdown", request, std::move(answered));
}
void Plugins::destroy(const std::string& plugin, const DomainRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::hypervisor_interface, "Destroy", request, std::move(answered));
}
void Plugins::before_start(const std::string& plugin, const VmStart& request, Answered<HookVerdict> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "BeforeStart", request, std::move(answered),
               state_->hook_limit);
}
void Plugins::identify(const std::string& plugin, const ImagesRequest& request, Answered<Identified> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "Identify", request, std::move(answered), state_->hook_limit);
}
void Plugins::after_stop(const std::string& plugin, const VmStopped& request, Answered<Answer> answered) {
  state_->call(plugin, names::pre_start_hook_interface, "AfterStop", request, std::move(answered), state_->hook_limit);
}
void Plugins::read(const std::string& plugin, const ReadRequest& request, Answered<PowerReading> answered) {
  state_->call(plugin, names::fencer_interface, "Read", request, std::move(answered));
}
void Plugins::power(const std::string& plugin, const PowerRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::fencer_interface, "Power", request, std::move(answered));
}
void Plugins::role_change(const std::string& plugin, const RoleChange& request, Answered<Answer> answered) {
  state_->call(plugin, names::role_hook_interface, "RoleChange", request, std::move(answered), role_hook_limit);
}
void Plugins::claim(const std::string& plugin, const ClaimRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::elector_interface, "Claim", request, std::move(answered));
}
void Plugins::vacate(const std::string& plugin, const VacateRequest& request, Answered<Answer> answered) {
  state_->call(plugin, names::elector_interface, "Vacate", request, std::move(answered));
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
