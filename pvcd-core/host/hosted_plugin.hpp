// One plugin in its process: brings worker, bus and keepalive together.
//
// The main thread never calls the plugin. It answers the bus, sees whether the plugin's thread turns, and says so on
// the bus and to the keepalive. What the process makes of it (process.hpp) it asks for whenever something has changed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/adaptor.hpp"
#include "host/bus_link.hpp"
#include "host/loader.hpp"
#include "host/worker.hpp"
#include "runtime/ages.hpp"
#include "runtime/bus.hpp"
#include "runtime/loop.hpp"

namespace pvcd::host {

class HostedPlugin {
 public:
  // `shared` must outlive it. `changed` comes on the loop.
  HostedPlugin(runtime::Loop&, LoadedPlugin, const Settings& shared, std::unique_ptr<Settings> own,
               std::function<void()> changed);
  ~HostedPlugin();
  HostedPlugin(const HostedPlugin&) = delete;
  HostedPlugin& operator=(const HostedPlugin&) = delete;

  const std::string& name() const { return status_.name; }
  const std::string& state() const { return status_.state; }
  Microseconds stall_limit() const { return stall_limit_; }
  bool ready() const;  // the bus can ask it; of one that needs no bus: it runs
  bool stalled() const { return status_.stalled_since != 0; }
  bool failed() const;  // it could not start, or lost the bus that it needs
  bool ended() const;

  void look();  // whether it stalls; call it more often than its stall limit
  void stop();

 private:
  void connect_bus();
  void bus_connected(BusLink::Connection);
  void bus_lost(const std::string& why);
  void on_call(const RoleMethod&, const std::string& request, std::uint64_t id);
  void on_answer(std::uint64_t id, const std::optional<std::string>& answer);
  void on_fact(const std::string& key, const std::string& value);

  runtime::Loop& loop_;
  const bool needs_bus_;
  const std::unique_ptr<Settings> settings_;
  const Microseconds stall_limit_;
  const std::function<void()> changed_;
  bool bus_lost_ = false;          // and it needs it
  Phase phase_ = Phase::Starting;  // as told: whatever was answered before has been passed on

  runtime::AgeSender ages_;
  NewestEpochs newest_epochs_;
  std::vector<RoleMethod> methods_;
  PluginStatus status_;

  std::unique_ptr<BusLink> link_;
  std::unique_ptr<runtime::Bus> bus_;
  std::unique_ptr<Adaptor> adaptor_;  // goes before its bus
  runtime::Timer reconnect_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace pvcd::host
