#include "core/role_driver.hpp"

#include <algorithm>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/wire.hpp"
#include "store/changes.hpp"

namespace pvcd::core {
namespace {

constexpr const char* elector_plugin = "election";
constexpr std::uint32_t vacate_tries_max = 50;
constexpr Microseconds try_interval = milliseconds(200);  // between two tries of one node
constexpr Microseconds preference_wait = seconds(5);      // others stand back so long for a node that was asked for
constexpr Microseconds hook_retry_interval = seconds(1);  // a hook that did not acknowledge a takeover is asked again

bool is_held(CoordinatorState state) {
  return state == CoordinatorState::Takeover || state == CoordinatorState::Primary ||
         state == CoordinatorState::Relinquish;
}

}  // namespace

RoleDriver::RoleDriver(Cluster& cluster, Plugins& plugins, Rounds& rounds, const Self& self, const Settings& shared,
                       std::function<void()> wake)
    : cluster_(cluster),
      plugins_(plugins),
      rounds_(rounds),
      self_(self),
      wake_(std::move(wake)),
      hooks_(shared.list("hooks.role")),
      elector_(elector_plugin) {
  settings_.coordinators = shared.list("cluster.coordinators");
  settings_.decision_limit = milliseconds(static_cast<std::uint64_t>(shared.number("timings.decision_limit_ms")));
  settings_.preference_wait = preference_wait;
}

bool RoleDriver::is_primary() const {
  const Life life = self_.life(cluster_.view());
  const LeaderRecord* leader = logic::primary_of(cluster_.view());
  return leader && leader->node == life.node && leader->incarnation == life.incarnation;
}

// A role that nobody takes back is void once this node's session has ended: leaving does not wait for it for ever.
bool RoleDriver::is_free_of_role() const {
  return !claiming_ && ((!is_primary() && !is_held(state_)) || vacates_failed_ >= vacate_tries_max);
}
bool RoleDriver::has_let_go() const { return !is_serving() && unacknowledged_.empty(); }
void RoleDriver::give_up() { give_up_asked_ = true; }

bool RoleDriver::is_serving() const {
  return state_ == CoordinatorState::Takeover || state_ == CoordinatorState::Primary;
}

// What the guard would vacate, and others may claim, is not served: the view that this core acts on must be whole.
bool RoleDriver::may_serve(const Right& right, Instant now) {
  if (cluster_.view().complete) view_was_whole_ = now;
  return right.may_act && now - view_was_whole_ <= settings_.decision_limit;
}

// A core that ended as primary without a word has left its hooks in service: what it had published says so.
void RoleDriver::resume(bool may_serve) {
  if (resumed_ || !cluster_.view().complete) return;
  resumed_ = true;
  const auto known = cluster_.view().roles.find(self_.name());
  if (known == cluster_.view().roles.end() || !is_held(known->second.value.state)) return;
  if (!is_primary() || !may_serve) enter(CoordinatorState::Relinquish, logic::epoch_of(cluster_.view()));
}

void RoleDriver::round(const Right& right, Instant now, bool stopping) {
  right_ = right;
  const bool serve = may_serve(right, now);
  resume(serve);
  const bool primary = is_primary();
  if (!primary) give_up_asked_ = false;
  const bool leave = leaving_ = stopping || give_up_asked_;
  const Epoch epoch = logic::epoch_of(cluster_.view());
  if (primary && cluster_.view().complete && (serve || leave) && (!is_held(state_) || epoch != epoch_))
    enter(CoordinatorState::Takeover, epoch);
  if (is_serving() && (!primary || !serve || leave)) enter(CoordinatorState::Relinquish, epoch_);
  ask_hooks(now);
  if (state_ == CoordinatorState::Takeover && unacknowledged_.empty()) enter(CoordinatorState::Primary, epoch_);
  if (state_ == CoordinatorState::Relinquish && unacknowledged_.empty()) {
    if (!primary || !leave) enter(CoordinatorState::Secondary, epoch_);
    if (primary && leave && now >= vacate_not_before_) vacate(now);
  }
  publish();

  const logic::ElectionInput in{cluster_.view(), self_.life(cluster_.view()), now};
  logic::ElectionPlan plan = logic::decide_election(in, settings_, memory_);
  if (plan.claim && right.may_act && !leave && !claiming_ && now >= claim_not_before_) {
    const Decider decider{self_.name(), runtime::realtime_us()};
    rounds_.keep(in, settings_, memory_, plan, decider, carried(plan, in.view, decider));
    claim(std::move(*plan.claim), right, now);
  }
  memory_ = plan.next;
}

void RoleDriver::claim(ClaimRequest request, const Right& right, Instant now) {
  claiming_ = true;
  claim_not_before_ = now + try_interval;
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

void RoleDriver::enter(CoordinatorState state, Epoch epoch) {
  state_ = state;
  epoch_ = epoch;
  change_++;
  vacates_failed_ = 0;
  unacknowledged_.clear();
  if (state == CoordinatorState::Takeover || state == CoordinatorState::Relinquish)
    for (const std::string& hook : hooks_) unacknowledged_[hook];
  wake_();
}

bool RoleDriver::is_on_record(CoordinatorState state) const {
  const auto known = cluster_.view().roles.find(self_.name());
  return known != cluster_.view().roles.end() && known->second.value == RoleRecord{state, epoch_};
}

// Taken over is only what is on record: if this core ends without a word, the next one finds what to let go of.
void RoleDriver::ask_hooks(Instant now) {
  if (state_ == CoordinatorState::Takeover && !is_on_record(state_)) return;
  for (const std::string& hook : hooks_) {
    auto waiting = unacknowledged_.find(hook);
    if (waiting == unacknowledged_.end() || waiting->second.asking || now < waiting->second.ask_not_before) continue;
    waiting->second.asking = true;
    plugins_.role_change(hook, {{}, state_}, permit(change_), [this, hook, change = change_](const Answer& answer) {
      if (change == change_) hook_answered(hook, answer);
      wake_();
    });
  }
}

// Of the moment in which it is sent. To let go of a service needs no right.
Plugins::PermitNow RoleDriver::permit(std::uint64_t change) const {
  if (state_ == CoordinatorState::Relinquish) return Plugins::while_awaited(runtime::role_hook_limit, epoch_);
  return [this, change]() -> std::optional<Permit> {
    if (change != change_ || !right_.holds_at(runtime::boottime_us())) return std::nullopt;
    return Permit{right_.not_after, epoch_};
  };
}

// A service is not taken over before its hook says so. One that does not let go of it cannot keep a core from leaving:
// that counts as given up, and the epoch keeps what comes late from harm. Where the role is lost it is asked again.
void RoleDriver::hook_answered(const std::string& hook, const Answer& answer) {
  auto waiting = unacknowledged_.find(hook);
  if (waiting == unacknowledged_.end()) return;
  const bool done = answer.outcome == Outcome::Done;
  if (!done && !std::exchange(waiting->second.complained, true))
    runtime::log(Level::Warning, "role hook " + hook + " did not acknowledge " +
                                     (state_ == CoordinatorState::Takeover ? "takeover" : "relinquish") + ": " +
                                     answer.note);
  if (done || (state_ == CoordinatorState::Relinquish && leaving_))
    unacknowledged_.erase(waiting);
  else
    waiting->second = {false, runtime::boottime_us() + hook_retry_interval, true};
}

void RoleDriver::vacate(Instant now) {
  if (vacating_) return;
  vacating_ = true;
  vacate_not_before_ = now + try_interval;
  const auto permit = Plugins::while_awaited(runtime::answer_limit, epoch_);
  plugins_.vacate(elector_, {{}, self_.life(cluster_.view())}, permit, [this](Answer answer) {
    vacating_ = false;
    if (answer.outcome == Outcome::Done)
      runtime::log_event(Level::Notice, runtime::names::message::relinquish, "the role of primary is given back", {});
    else
      vacate_failed(answer.note);
    wake_();
  });
}

void RoleDriver::vacate_failed(const std::string& why) {
  if (vacates_failed_++ == 0) runtime::log(Level::Warning, "the role of primary could not be given back: " + why);
}

// What the cluster shows of it. Written by this node alone; a write that fails is made again in the next round.
void RoleDriver::publish() {
  const auto& roles = cluster_.view().roles;
  if (!cluster_.view().complete || publishing_) return;
  RoleRecord record{state_, epoch_};
  const auto& coordinators = settings_.coordinators;
  if (!is_held(state_) && std::find(coordinators.begin(), coordinators.end(), self_.name()) == coordinators.end())
    record.state = CoordinatorState::Client;
  auto known = roles.find(self_.name());
  if (known != roles.end() && known->second.value == record) return;
  publishing_ = true;
  const std::optional<Version> replaces = known == roles.end() ? std::nullopt : std::optional(known->second.version);
  store::commit(cluster_.store(), {Put{{Kind::Role, self_.name()}, record, replaces}},
                [this](const store::CommitResult&) { publishing_ = false; });
}

}  // namespace pvcd::core
