// A process that runs one plugin: brings loader, worker, bus, watchdog and keepalive together.
//
// The main thread never calls the plugin. It answers the bus, sees whether the plugin's thread turns, and says so: on
// the bus, to the keepalive, and to systemd by no longer sending WATCHDOG=1.
#pragma once

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
#include "runtime/config.hpp"
#include "runtime/loop.hpp"

namespace pvcd::host {

class PluginProcess {
 public:
  PluginProcess(LoadedPlugin, std::unique_ptr<Settings> shared, std::unique_ptr<Settings> settings);
  ~PluginProcess();

  int run();  // until SIGTERM, or failure; the exit code

 private:
  void connect_bus();
  void bus_connected(BusLink::Connection);
  void bus_lost(const std::string& why);
  void on_call(const RoleMethod&, const std::string& request, std::uint64_t id);
  void on_answer(std::uint64_t id, const std::optional<std::string>& answer);
  void on_fact(const std::string& key, const std::string& value);
  void on_phase(Phase);
  void look_after_worker();
  void show_state();
  void stop(int exit_code);
  void tell_ready();

  const std::string name_;
  const bool needs_bus_;
  const std::unique_ptr<Settings> shared_;
  const std::unique_ptr<Settings> settings_;
  const Microseconds stall_limit_;

  runtime::Loop loop_;
  runtime::AgeSender ages_;
  NewestEpochs newest_epochs_;
  std::vector<RoleMethod> methods_;
  PluginStatus status_;
  bool ready_told_ = false;
  int exit_code_ = 0;

  std::unique_ptr<BusLink> link_;
  std::unique_ptr<runtime::Bus> bus_;
  std::unique_ptr<Adaptor> adaptor_;  // goes before its bus
  runtime::Timer reconnect_;
  runtime::Timer look_;
  std::unique_ptr<Worker> worker_;
};

// What main() does. Returns only the exit code: the caller ends the process without running destructors, because the
// plugin's thread may hang in a call that nobody can end.
int run_host(int argc, const char* const* argv);

}  // namespace pvcd::host
