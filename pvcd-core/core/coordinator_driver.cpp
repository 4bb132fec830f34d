#include "core/coordinator_driver.hpp"

#include "core/test_switches.hpp"
#include "logic/transactions.hpp"
#include "runtime/clock.hpp"
#include "runtime/config.hpp"
#include "runtime/wire.hpp"
#include "store/changes.hpp"

namespace pvcd::core {
namespace {

constexpr Microseconds trim_interval = seconds(60);
constexpr Microseconds server_stay = seconds(10);

}  // namespace

logic::UnitNeeds unit_needs(const Settings& shared) {
  logic::UnitNeeds needs;
  needs.plugins = shared.list("hooks.vm_pre_start");
  needs.plugins.insert(needs.plugins.begin(), shared.text("hypervisor.plugin"));
  needs.silent_after = milliseconds(static_cast<std::uint64_t>(shared.number("timings.decision_limit_ms")));
  return needs;
}

logic::CoordinatorSettings coordinator_settings(const Settings& shared) {
  const auto timing = [&](const char* key) { return milliseconds(static_cast<std::uint64_t>(shared.number(key))); };
  logic::CoordinatorSettings settings;
  settings.coordinators = shared.list("cluster.coordinators");
  settings.suspect_after = timing("timings.suspect_after_ms");
  settings.fence_deadline = timing("timings.fence_deadline_ms");
  settings.retry_min = timing("timings.retry_min_ms");
  settings.retry_max = timing("timings.retry_max_ms");
  settings.shutdown_timeout = timing("timings.shutdown_timeout_ms");
  settings.needs = unit_needs(shared);
  settings.storage_fencer = shared.text("fencing.storage_fencer");
  settings.storm_window = runtime::session_timings(shared).timeout;
  settings.return_wait = 2 * settings.storm_window;
  return settings;
}

CoordinatorDriver::CoordinatorDriver(runtime::Loop& loop, Cluster& cluster, Plugins& plugins, Decisions& decisions,
                                     Rounds& rounds, const Self& self, const Settings& shared,
                                     std::function<void()> wake, std::function<void()> give_up_role)
    : loop_(loop),
      cluster_(cluster),
      plugins_(plugins),
      decisions_(decisions),
      rounds_(rounds),
      self_(self),
      wake_(std::move(wake)),
      give_up_role_(std::move(give_up_role)),
      fencer_(shared.text("fencing.fencer")),
      storage_fencer_(shared.text("fencing.storage_fencer")),
      settings_(coordinator_settings(shared)),
      decision_log_(cluster),
      trim_(loop.every(trim_interval, [this] {
        if (primary_) decision_log_.trim();
      })) {}

void CoordinatorDriver::round(const Right& right, Instant now, bool primary, const logic::Heards& heard) {
  primary_ = primary;
  right_ = right;
  logic::Heards of_nodes;  // whatever names came: a round is kept on disk
  for (const auto& [name, one] : heard)
    if (cluster_.view().nodes.contains(name)) of_nodes[name] = one;
  if (leaves_server_of_suspect(of_nodes, now)) return;
  logic::CoordinatorInput in{
      cluster_.view(),    self_.life(cluster_.view()), primary, right.may_act, now, std::exchange(answers_, {}),
      std::move(of_nodes)};
  logic::CoordinatorPlan plan = logic::decide_coordinator(in, settings_, memory_);
  const auto due = logic::next_due(plan.next, now, settings_);
  due_ = due ? loop_.once(*due - now, wake_) : runtime::Timer();
  if (plan.actions.empty()) {
    memory_ = std::move(plan.next);
    return;
  }
  const Decider decider{self_.name(), runtime::realtime_us()};
  std::vector<Carried> steps = carried(plan, in.view, decider);
  rounds_.keep(in, settings_, memory_, plan, decider, steps);
  memory_ = std::move(plan.next);
  for (std::size_t i = 0; i < steps.size(); ++i) execute(plan.actions[i], std::move(steps[i]), now);
}

// The server of the store on a host that dies would keep this session waiting for a third of its timeout, and so the
// fence of that very host. Nothing is decided in that round: what it sends would be lost with the connection.
bool CoordinatorDriver::leaves_server_of_suspect(const logic::Heards& heard, Instant now) {
  const std::string address = cluster_.store().server_address();
  if (now < stays_at_server_until_ || address.empty()) return false;
  const logic::Sights sights = logic::look(cluster_.view(), memory_.sights, now, heard);
  if (!logic::is_address_of_suspect(cluster_.view(), sights, address, self_.name(), now, settings_.suspect_after))
    return false;
  stays_at_server_until_ = now + server_stay;
  cluster_.store().next_server();
  wake_();
  return true;
}

void CoordinatorDriver::answer(logic::CoordinatorAnswer one) {
  answers_.push_back(std::move(one));
  wake_();
}

void CoordinatorDriver::execute(const logic::CoordinatorAction& action, Carried step, Instant now) {
  if (const auto* read = std::get_if<logic::ReadPower>(&action.act)) return read_power(*read);
  if (const auto* off = std::get_if<logic::PowerOff>(&action.act)) {
    decisions_.announce(Level::Notice, *step.record, {});
    return power_off(*off, now);
  }
  if (const auto* shut_out = std::get_if<logic::FenceStorage>(&action.act)) {
    decisions_.announce(Level::Notice, *step.record, {});
    return fence_storage(*shut_out, now);
  }
  if (const auto* give_up = std::get_if<logic::GiveUpRole>(&action.act)) {
    give_up_role_();
    answers_.push_back(
        logic::Done{give_up->key, Outcome::Done});  // no reason for a round: it is asked until the role is gone
    return;
  }
  if (!step.changes) return;
  const auto* readiness = std::get_if<logic::PutReadiness>(&action.act);
  const bool warns = readiness && !readiness->record.fence_ready;
  commit(logic::key_of(action.act), warns ? Level::Warning : Level::Notice, std::move(step));
}

void CoordinatorDriver::read_power(const logic::ReadPower& act) {
  plugins_.read(fencer_, {{}, act.node, act.boot, act.system_uuid}, act.routine ? Urgency::Routine : Urgency::Look,
                Plugins::while_awaited(runtime::answer_limit, logic::epoch_of(cluster_.view())),
                [this, act](PowerReading reading, Instant asked_at) {
                  answer(logic::PowerRead{act.node, act.boot, std::move(reading), asked_at});
                  answer(logic::Done{act.key, Outcome::Done});
                });
}

// It may have waited for its turn: what permitted it must still be so.
template <class Act>
std::optional<Permit> CoordinatorDriver::permit_now(const Act& act) const {
  const Instant now = runtime::boottime_us();
  if (!right_.holds_at(now) || !logic::still_holds(act, cluster_.view())) return std::nullopt;
  return Permit{std::min(right_.not_after, now + settings_.fence_deadline), act.epoch};
}

void CoordinatorDriver::power_off(const logic::PowerOff& act, Instant now) {
  PowerRequest request;
  request.node = act.victim.node;
  request.victim = act.victim;
  request.system_uuid = act.system_uuid;
  const auto permit = [this, act] { return permit_now(act); };
  plugins_.power(fencer_, request, permit, [this, act, now](Answer answered) {
    const Instant at = runtime::boottime_us();
    const Outcome outcome = answered.outcome;
    answer(logic::PowerActed{act.victim, std::move(answered), now, at});
    if (outcome == Outcome::Done && switched("accepted-counts-as-off")) {
      PowerReading reading;
      reading.state = PowerState::Off;
      answer(logic::PowerRead{act.victim.node, act.victim.boot, reading, at + 1});
    }
    answer(logic::Done{act.key, outcome});
  });
}

void CoordinatorDriver::fence_storage(const logic::FenceStorage& act, Instant now) {
  const StorageFenceRequest request{{}, act.victim, act.addresses, act.instances, act.images};
  plugins_.fence_storage(
      storage_fencer_, request, settings_.fence_deadline, [this, act] { return permit_now(act); },
      [this, act, now](StorageFenced answered) {
        const Outcome outcome = answered.outcome;
        answer(logic::StorageActed{act.victim, std::move(answered), now});
        answer(logic::Done{act.key, outcome});
      });
}

void CoordinatorDriver::commit(const std::string& key, Level level, Carried step) {
  Changes& changes = *step.changes;
  if (switched("epoch-check-off"))
    std::erase_if(changes, [](const Change& change) {
      const auto* check = std::get_if<Check>(&change);
      return check && check->key.kind == Kind::Leader;
    });
  if (switched("late-job-writes") && key.starts_with("job/")) stand_still();
  store::commit(cluster_.store(), changes,
                [this, key, level, record = *step.record, stored = step.stored](const store::CommitResult& result) {
                  const Outcome outcome = logic::outcome_of(result.code);
                  if (outcome == Outcome::Done)
                    decisions_.announce(stored ? level : Level::Info, record, stored ? result.created.back() : "");
                  // What was written wakes when it is seen, what was refused is decided again at the next interval: on
                  // the same view the same decision would be refused again, as often as the store answers.
                  answers_.push_back(logic::Done{key, outcome});
                });
}

}  // namespace pvcd::core
