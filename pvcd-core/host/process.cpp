#include "host/process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/ready.hpp"

namespace pvcd::host {

namespace names = runtime::names;

namespace {

constexpr Microseconds look_interval_max = seconds(1);

// Often enough for the watchdog and to see a stall in time.
Microseconds look_interval(const std::vector<std::unique_ptr<HostedPlugin>>& plugins) {
  Microseconds interval = std::min(look_interval_max, runtime::watchdog_interval().value_or(look_interval_max) / 4);
  for (const auto& plugin : plugins) interval = std::min(interval, plugin->stall_limit() / 4);
  return interval;
}

bool all_of(const std::vector<std::unique_ptr<HostedPlugin>>& plugins, bool (HostedPlugin::*what)() const) {
  return std::all_of(plugins.begin(), plugins.end(), [what](const auto& plugin) { return ((*plugin).*what)(); });
}

bool any_of(const std::vector<std::unique_ptr<HostedPlugin>>& plugins, bool (HostedPlugin::*what)() const) {
  return std::any_of(plugins.begin(), plugins.end(), [what](const auto& plugin) { return ((*plugin).*what)(); });
}

}  // namespace

// Everything that can be wrong is found before the first of them starts.
Process::Process(const std::vector<std::string>& plugins) : shared_(runtime::load_shared(names::config_directory())) {
  std::vector<std::pair<LoadedPlugin, std::unique_ptr<Settings>>> loaded;
  for (const std::string& name : plugins) {
    std::unique_ptr<Settings> own = runtime::load_plugin(names::config_directory(), name, *shared_);
    loaded.emplace_back(load_plugin(names::plugin_directory(), name), std::move(own));
  }
  // Before the workers' threads start, which inherit the mask.
  for (const int signal : {SIGTERM, SIGINT}) loop_.on_signal(signal, [this] { stop(EXIT_SUCCESS); });
  for (auto& [plugin, own] : loaded)
    plugins_.push_back(
        std::make_unique<HostedPlugin>(loop_, std::move(plugin), *shared_, std::move(own), [this] { follow(); }));
  look_ = loop_.every(look_interval(plugins_), [this] {
    for (const auto& plugin : plugins_) plugin->look();
    if (!any_of(plugins_, &HostedPlugin::stalled)) runtime::notify_watchdog();
  });
}

int Process::run() {
  const int code = loop_.run();
  return exit_code_ != 0 ? exit_code_ : code;
}

void Process::follow() {
  say_state();
  if (any_of(plugins_, &HostedPlugin::failed)) stop(EXIT_FAILURE);
  if (stopping_) return stop_last();
  if (ready_told_ || !all_of(plugins_, &HostedPlugin::ready)) return;
  ready_told_ = true;
  runtime::notify_ready(state_);
}

void Process::stop(int exit_code) {
  exit_code_ = std::max(exit_code_, exit_code);
  if (std::exchange(stopping_, true)) return;
  runtime::notify_stopping();
  stop_last();
}

void Process::stop_last() {
  const auto last =
      std::find_if(plugins_.rbegin(), plugins_.rend(), [](const auto& plugin) { return !plugin->ended(); });
  if (last == plugins_.rend()) return loop_.exit(EXIT_SUCCESS);
  (*last)->stop();
}

void Process::say_state() {
  std::string state;
  for (const auto& plugin : plugins_)
    state += (state.empty() ? "" : ", ") + (plugins_.size() > 1 ? plugin->name() + " " : "") + plugin->state();
  if (state == state_) return;
  state_ = std::move(state);
  runtime::notify_status(state_);
}

int run_host(int argc, const char* const* argv) {
  if (const auto code = runtime::run_config_option(argc, argv)) return *code;
  const std::vector<std::string> plugins(argv + 1, argv + argc);
  const auto wrong = std::find_if(plugins.begin(), plugins.end(), [&](const std::string& name) {
    return name.starts_with('-') || std::count(plugins.begin(), plugins.end(), name) > 1;
  });
  if (plugins.empty() || wrong != plugins.end()) {
    std::cerr << "usage: pvcd-host PLUGIN... | --check-config [PLUGIN] | --print-config-keys; each plugin once\n";
    return EXIT_FAILURE;
  }
  try {
    // Never destroyed: a plugin's thread may still be in a call when this returns.
    return (new Process(plugins))->run();
  } catch (const Error& error) {
    std::vector<runtime::Field> fields;
    for (const std::string& name : plugins) fields.push_back({names::field::plugin, name});
    runtime::log(Level::Error, error.what(), fields);
    return EXIT_FAILURE;
  }
}

}  // namespace pvcd::host
