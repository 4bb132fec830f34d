#include "host/hosted_plugin.hpp"

#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"

namespace pvcd::host {

namespace names = runtime::names;

namespace {

constexpr Microseconds reconnect_interval = seconds(5);

std::vector<std::string> role_names(const std::vector<RoleMethod>& methods) {
  std::vector<std::string> roles;
  for (const RoleMethod& method : methods)
    if (roles.empty() || roles.back() != method.role) roles.emplace_back(method.role);
  return roles;
}

Microseconds limit_of(const Settings& settings, std::string_view key) {
  return milliseconds(static_cast<std::uint64_t>(settings.number(key)));
}

Microseconds stall_limit_of(const Settings& shared, const Settings& own) {
  const Microseconds limit = limit_of(own, "stall_limit_ms");
  return limit > 0 ? limit : limit_of(shared, "timings.plugin_stall_limit_ms");
}

}  // namespace

HostedPlugin::HostedPlugin(runtime::Loop& loop, LoadedPlugin loaded, const Settings& shared,
                           std::unique_ptr<Settings> own, std::function<void()> changed)
    : loop_(loop),
      needs_bus_(loaded.needs_bus),
      settings_(std::move(own)),
      stall_limit_(stall_limit_of(shared, *settings_)),
      changed_(std::move(changed)),
      ages_(loop_, loaded.name),
      methods_(role_methods(*loaded.plugin, loaded.name, newest_epochs_)) {
  status_.name = loaded.name;
  status_.roles = role_names(methods_);
  status_.queue_length = [this] { return static_cast<std::uint32_t>(worker_->queue_length()); };
  connect_bus();
  worker_ = std::make_unique<Worker>(
      loop_, std::move(loaded.plugin),
      WorkerOptions{loaded.name, settings_.get(), &shared, &newest_epochs_.act, limit_of(*settings_, "interval_ms")},
      WorkerEvents{[this](Phase phase) {
                     phase_ = phase;
                     look();
                     changed_();
                   },
                   [this](const std::string& key, const std::string& value) { on_fact(key, value); }});
}

HostedPlugin::~HostedPlugin() = default;

bool HostedPlugin::ready() const { return needs_bus_ ? adaptor_ != nullptr : phase_ == Phase::Running; }

bool HostedPlugin::failed() const { return bus_lost_ || phase_ == Phase::Failed; }

bool HostedPlugin::ended() const { return phase_ == Phase::Stopped || phase_ == Phase::Failed; }

void HostedPlugin::stop() { worker_->stop(); }

// -------------------------------------------------------------------------------------------------------------------
// bus

void HostedPlugin::connect_bus() {
  link_ = std::make_unique<BusLink>(loop_, names::plugin_bus(name()),
                                    [this](std::variant<BusLink::Connection, Error> result) {
                                      const auto link = std::move(link_);
                                      if (const auto* error = std::get_if<Error>(&result))
                                        return bus_lost(error->what());
                                      bus_connected(std::get<BusLink::Connection>(std::move(result)));
                                    });
}

void HostedPlugin::bus_connected(BusLink::Connection connection) {
  try {
    bus_ =
        std::make_unique<runtime::Bus>(loop_, std::move(connection), [this](const std::string& why) { bus_lost(why); });
    adaptor_ = std::make_unique<Adaptor>(bus_->connection(), status_, methods_,
                                         [this](const RoleMethod& method, const std::string& request,
                                                std::uint64_t id) { on_call(method, request, id); });
  } catch (const sdbus::Error& error) {
    return bus_lost(error.getMessage());
  }
  changed_();
}

void HostedPlugin::bus_lost(const std::string& why) {
  adaptor_.reset();
  bus_.reset();
  if (needs_bus_) {
    runtime::log(Level::Error, "no bus: " + why, {{names::field::plugin, name()}});
    bus_lost_ = true;
    return changed_();
  }
  runtime::log(Level::Warning, "going on without the bus: " + why, {{names::field::plugin, name()}});
  reconnect_ = loop_.once(reconnect_interval, [this] { connect_bus(); });
}

void HostedPlugin::on_call(const RoleMethod& method, const std::string& request, std::uint64_t id) {
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

void HostedPlugin::on_answer(std::uint64_t id, const std::optional<std::string>& answer) {
  if (adaptor_ == nullptr) return;
  if (answer) return adaptor_->answer(id, *answer);
  adaptor_->refuse(id, names::error::unavailable, "the plugin stops: ask again later");
}

// ----------------------------------------------------------------------------------------------------------------
// worker

void HostedPlugin::on_fact(const std::string& key, const std::string& value) {
  status_.facts.insert_or_assign(key, value);
  if (adaptor_ != nullptr) adaptor_->reported(key, value);
}

// What the plugin's state is now; says so when it is another one.
void HostedPlugin::look() {
  static constexpr const char* state_names[] = {"starting", "running", "shutdown", "shutdown", "failed"};
  const Busy busy = worker_->busy();
  // How long stop() may take is the unit's business.
  const bool may_stall = phase_ == Phase::Starting || phase_ == Phase::Running;
  const bool is_stalled = may_stall && runtime::boottime_us() > busy.since + stall_limit_;
  const std::string state = is_stalled ? "stalled" : state_names[static_cast<std::size_t>(phase_)];
  if (state == status_.state) return;

  const bool recovered = stalled();
  status_.state = state;
  status_.stalled_since = is_stalled ? busy.since : 0;
  const std::vector<runtime::Field> fields{{names::field::plugin, name()}};
  if (is_stalled)
    runtime::log_event(Level::Error, names::message::plugin_stalled,
                       busy.what + " lasts longer than " + std::to_string(stall_limit_ / 1000) + " ms: stalled",
                       fields);
  if (recovered)
    runtime::log_event(Level::Notice, names::message::plugin_recovered, "the call ended: " + state, fields);
  ages_.set(state);
  if (adaptor_ != nullptr) adaptor_->state_changed();
  changed_();
}

}  // namespace pvcd::host
