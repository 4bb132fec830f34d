#include "core/role_driver.hpp"

#include <algorithm>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/config.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/wire.hpp"
#include "store/changes.hpp"

namespace pvcd::core {
namespace {

constexpr Microseconds claim_interval = milliseconds(200);  // between two tries of one node
constexpr Microseconds preference_wait = seconds(5);        // others stand back so long for a node that was asked for
constexpr Microseconds hearing_sessions = 2;  // of its timeouts: how long a node that was away waits to hear the others

}  // namespace

RoleDriver::RoleDriver(Cluster& cluster, Plugins& plugins, Rounds& rounds, const Self& self, const Settings& shared,
                       std::function<void()> wake)
    : cluster_(cluster),
      plugins_(plugins),
      rounds_(rounds),
      self_(self),
      wake_(std::move(wake)),
      elector_(logic::elector_unit) {
  const auto& coordinators = election_settings_.coordinators = shared.list("cluster.coordinators");
  settings_.hooks = shared.list("hooks.role");
  settings_.is_coordinator = std::ranges::count(coordinators, self.name()) > 0;
  settings_.decision_limit = election_settings_.decision_limit =
      milliseconds(static_cast<std::uint64_t>(shared.number("timings.decision_limit_ms")));
  election_settings_.preference_wait = preference_wait;
  election_settings_.away_limit = runtime::session_timings(shared).timeout;
  election_settings_.hearing_wait = hearing_sessions * election_settings_.away_limit;
}

bool RoleDriver::is_primary() const { return logic::is_primary(cluster_.view(), self_.life(cluster_.view())); }

void RoleDriver::round(const Right& right, Instant now, bool stopping) {
  right_ = right;
  if (!is_primary()) give_up_asked_ = false;
  const bool leave = stopping || give_up_asked_;
  logic::RolePlan plan = logic::decide_role({cluster_.view(), self_.life(cluster_.view()), right.may_act, leave, now,
                                             std::exchange(answers_, {}), std::exchange(vacated_, {})},
                                            settings_, memory_);
  if (plan.next.change != memory_.change) {
    complained_.clear();
    wake_();
  }
  memory_ = std::move(plan.next);
  for (const logic::AskRoleHook& each : plan.ask) ask(each);
  if (plan.vacate) vacate();
  publish(plan.shown);
  claim(right, now, leave);
}

void RoleDriver::claim(const Right& right, Instant now, bool leave) {
  const logic::ElectionInput in{cluster_.view(), self_.life(cluster_.view()), now};
  logic::ElectionPlan plan = logic::decide_election(in, election_settings_, election_memory_);
  if (plan.claim && right.may_act && !leave && !claiming_ && now >= claim_not_before_) {
    const Decider decider{self_.name(), runtime::realtime_us()};
    rounds_.keep(in, election_settings_, election_memory_, plan, decider, carried(plan, in.view, decider));
    send_claim(std::move(*plan.claim), right, now);
  }
  election_memory_ = plan.next;
}

void RoleDriver::send_claim(ClaimRequest request, const Right& right, Instant now) {
  claiming_ = true;
  claim_not_before_ = now + claim_interval;
  request.permit = {right.not_after, request.expected.epoch};
  plugins_.claim(elector_, request, [this, request](Answer answer) {
    claiming_ = false;
    const std::string epoch = std::to_string(request.expected.epoch + 1);
    if (answer.outcome == Outcome::Done)
      runtime::log_event(Level::Notice, runtime::names::message::takeover, "this node is primary at epoch " + epoch,
                         {{runtime::names::field::epoch, epoch}});
    else
      runtime::log(Level::Info, "the claim of epoch " + epoch + " did not succeed: " + answer.note);
    wake_();
  });
}

void RoleDriver::ask(const logic::AskRoleHook& asked) {
  plugins_.role_change(asked.hook, {{}, asked.state}, permit(asked), [this, asked](const Answer& answer) {
    const bool done = answer.outcome == Outcome::Done;
    if (!done) complain(asked, answer.note);
    answers_.push_back({asked.hook, asked.change, done});
    wake_();
  });
}

// Of the moment in which it is sent. To let go of a service needs no right.
Plugins::PermitNow RoleDriver::permit(const logic::AskRoleHook& asked) const {
  if (asked.state == CoordinatorState::Relinquish) return Plugins::while_awaited(runtime::role_hook_limit, asked.epoch);
  return [this, asked]() -> std::optional<Permit> {
    if (asked.change != memory_.change || !right_.holds_at(runtime::boottime_us())) return std::nullopt;
    return Permit{right_.not_after, asked.epoch};
  };
}

// Once for each change of the role.
void RoleDriver::complain(const logic::AskRoleHook& asked, const std::string& why) {
  if (asked.change != memory_.change || !complained_.insert(asked.hook).second) return;
  runtime::log(Level::Warning, "role hook " + asked.hook + " did not acknowledge " +
                                   (asked.state == CoordinatorState::Takeover ? "takeover" : "relinquish") + ": " +
                                   why);
}

void RoleDriver::vacate() {
  const auto permit = Plugins::while_awaited(runtime::answer_limit, memory_.epoch);
  plugins_.vacate(elector_, {{}, self_.life(cluster_.view())}, permit, [this](const Answer& answer) {
    const bool done = answer.outcome == Outcome::Done;
    if (done)
      runtime::log_event(Level::Notice, runtime::names::message::relinquish, "the role of primary is given back", {});
    else if (memory_.vacates_failed == 0)
      runtime::log(Level::Warning, "the role of primary could not be given back: " + answer.note);
    vacated_ = done;
    wake_();
  });
}

// Written by this node alone; a write that fails is made again in the next round.
void RoleDriver::publish(const RoleRecord& record) {
  const auto& roles = cluster_.view().roles;
  if (!cluster_.view().complete || publishing_) return;
  const auto known = roles.find(self_.name());
  if (known != roles.end() && known->second.value == record) return;
  publishing_ = true;
  const std::optional<Version> replaces = known == roles.end() ? std::nullopt : std::optional(known->second.version);
  store::commit(cluster_.store(), {Put{{Kind::Role, self_.name()}, record, replaces}},
                [this](const store::CommitResult&) { publishing_ = false; });
}

}  // namespace pvcd::core
