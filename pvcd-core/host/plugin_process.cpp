#include "host/plugin_process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/ready.hpp"

namespace pvcd::host {

namespace names = runtime::names;

namespace {

constexpr Microseconds reconnect_interval = seconds(5);
constexpr Microseconds look_interval_max = seconds(1);

// Often enough for the watchdog and to see a stall in time.
Microseconds look_interval(Microseconds stall_limit) {
  const Microseconds watchdog = runtime::watchdog_interval().value_or(look_interval_max);
  return std::min({look_interval_max, watchdog / 4, stall_limit / 4});
}

std::vector<std::string> role_names(const std::vector<RoleMethod>& methods) {
  std::vector<std::string> roles;
  for (const RoleMethod& method : methods)
    if (roles.empty() || roles.back() != method.role) roles.emplace_back(method.role);
  return roles;
}

Microseconds limit_of(const Settings& settings, std::string_view key) {
  return milliseconds(static_cast<std::uint64_t>(settings.number(key)));
}

Microseconds stall_limit(const Settings& shared, const Settings& own) {
  const Microseconds limit = limit_of(own, "stall_limit_ms");
  return limit > 0 ? limit : limit_of(shared, "timings.plugin_stall_limit_ms");
}

}  // namespace

PluginProcess::PluginProcess(LoadedPlugin loaded, std::unique_ptr<Settings> shared, std::unique_ptr<Settings> settings)
    : name_(loaded.name),
      needs_bus_(loaded.needs_bus),
      shared_(std::move(shared)),
      settings_(std::move(settings)),
      stall_limit_(stall_limit(*shared_, *settings_)),
      ages_(loop_, loaded.name),
      methods_(role_methods(*loaded.plugin, newest_epochs_)) {
  status_.name = name_;
  status_.roles = role_names(methods_);
  status_.queue_length = [this] { return static_cast<std::uint32_t>(worker_->queue_length()); };
  // Before the worker's thread starts, which inherits the mask.
  for (const int signal : {SIGTERM, SIGINT}) loop_.on_signal(signal, [this] { stop(EXIT_SUCCESS); });
  look_ = loop_.every(look_interval(stall_limit_), [this] { look_after_worker(); });
  connect_bus();
  worker_ = std::make_unique<Worker>(
      loop_, std::move(loaded.plugin),
      WorkerOptions{settings_.get(), shared_.get(), &newest_epochs_.act, limit_of(*settings_, "interval_ms")},
      WorkerEvents{[this](Phase phase) { on_phase(phase); },
                   [this](const std::string& key, const std::string& value) { on_fact(key, value); }});
}

PluginProcess::~PluginProcess() = default;

int PluginProcess::run() {
  const int code = loop_.run();
  return exit_code_ != 0 ? exit_code_ : code;
}

// -------------------------------------------------------------------------------------------------------------------
// bus

void PluginProcess::connect_bus() {
  link_ = std::make_unique<BusLink>(loop_, names::plugin_bus(name_),
                                    [this](std::variant<BusLink::Connection, Error> result) {
                                      const auto link = std::move(link_);
                                      if (const auto* error = std::get_if<Error>(&result))
                                        return bus_lost(error->what());
                                      bus_connected(std::get<BusLink::Connection>(std::move(result)));
                                    });
}

void PluginProcess::bus_connected(BusLink::Connection connection) {
  try {
    bus_ =
        std::make_unique<runtime::Bus>(loop_, std::move(connection), [this](const std::string& why) { bus_lost(why); });
    adaptor_ = std::make_unique<Adaptor>(bus_->connection(), status_, methods_,
                                         [this](const RoleMethod& method, const std::string& request,
                                                std::uint64_t id) { on_call(method, request, id); });
  } catch (const sdbus::Error& error) {
    return bus_lost(error.getMessage());
  }
  tell_ready();
}

void PluginProcess::bus_lost(const std::string& why) {
  adaptor_.reset();
  bus_.reset();
  if (needs_bus_) {
    runtime::log(Level::Error, "no bus: " + why);
    return stop(EXIT_FAILURE);
  }
  runtime::log(Level::Warning, "going on without the bus: " + why);
  reconnect_ = loop_.once(reconnect_interval, [this] { connect_bus(); });
}

void PluginProcess::on_call(const RoleMethod& method, const std::string& request, std::uint64_t id) {
  auto prepared = method.prepare(request);
  if (const auto* invalid = std::get_if<InvalidRequest>(&prepared))
    return adaptor_->refuse(id, names::error::invalid_argument, "request: " + invalid->text);
  const Submission submission = worker_->submit(
      std::get<Call>(std::move(prepared)), [this, id](std::optional<std::string> answer) { on_answer(id, answer); });
  if (submission == Submission::QueueFull)
    adaptor_->refuse(id, names::error::busy, "too many requests wait already: ask again later");
  if (submission == Submission::Stopping)
    adaptor_->refuse(id, names::error::unavailable, "the plugin stops: ask again later");
}

void PluginProcess::on_answer(std::uint64_t id, const std::optional<std::string>& answer) {
  if (adaptor_ == nullptr) return;
  if (answer) return adaptor_->answer(id, *answer);
  adaptor_->refuse(id, names::error::unavailable, "the plugin stops: ask again later");
}

// ----------------------------------------------------------------------------------------------------------------
// worker

void PluginProcess::on_fact(const std::string& key, const std::string& value) {
  status_.facts.insert_or_assign(key, value);
  if (adaptor_ != nullptr) adaptor_->reported(key, value);
}

void PluginProcess::on_phase(Phase phase) {
  show_state();
  if (phase == Phase::Running) tell_ready();
  if (phase == Phase::Failed) exit_code_ = EXIT_FAILURE;
  if (phase == Phase::Failed || phase == Phase::Stopped) loop_.exit(EXIT_SUCCESS);
}

void PluginProcess::look_after_worker() {
  show_state();
  if (status_.stalled_since == 0) runtime::notify_watchdog();
}

// What the plugin's state is now; says so when it is another one.
void PluginProcess::show_state() {
  static constexpr const char* state_names[] = {"starting", "running", "shutdown", "shutdown", "failed"};
  const Phase phase = worker_->phase();
  const Busy busy = worker_->busy();
  // How long stop() may take is the unit's business.
  const bool may_stall = phase == Phase::Starting || phase == Phase::Running;
  const bool stalled = may_stall && runtime::boottime_us() > busy.since + stall_limit_;
  const std::string state = stalled ? "stalled" : state_names[static_cast<std::size_t>(phase)];
  if (state == status_.state) return;

  const bool recovered = status_.stalled_since != 0;
  status_.state = state;
  status_.stalled_since = stalled ? busy.since : 0;
  if (stalled)
    runtime::log_event(Level::Error, names::message::plugin_stalled,
                       busy.what + " lasts longer than " + std::to_string(stall_limit_ / 1000) + " ms: stalled");
  if (recovered) runtime::log_event(Level::Notice, names::message::plugin_recovered, "the call ended: " + state);
  runtime::notify_status(state);
  ages_.set(state);
  if (adaptor_ != nullptr) adaptor_->state_changed();
}

void PluginProcess::tell_ready() {
  const bool ready = needs_bus_ ? adaptor_ != nullptr : worker_->phase() == Phase::Running;
  if (!ready || ready_told_) return;
  ready_told_ = true;
  runtime::notify_ready(status_.state);
}

void PluginProcess::stop(int exit_code) {
  exit_code_ = std::max(exit_code_, exit_code);
  runtime::notify_stopping();
  worker_->stop();
}

int run_host(int argc, const char* const* argv) {
  if (const auto code = runtime::run_config_option(argc, argv)) return *code;
  if (argc != 2 || argv[1][0] == '-') {
    std::cerr << "usage: pvcd-host PLUGIN | --check-config [PLUGIN] | --print-config-keys\n";
    return EXIT_FAILURE;
  }
  const std::string name = argv[1];
  runtime::log_always({names::field::plugin, name});
  try {
    auto shared = runtime::load_shared(names::config_directory());
    auto settings = runtime::load_plugin(names::config_directory(), name, *shared);
    // Never destroyed: the plugin's thread may still be in a call when this returns.
    auto* process =
        new PluginProcess(load_plugin(names::plugin_directory(), name), std::move(shared), std::move(settings));
    return process->run();
  } catch (const Error& error) {
    runtime::log(Level::Error, error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace pvcd::host
