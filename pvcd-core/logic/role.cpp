#include "logic/role.hpp"

namespace pvcd::logic {
namespace {

bool is_held(CoordinatorState state) {
  return state == CoordinatorState::Takeover || state == CoordinatorState::Primary ||
         state == CoordinatorState::Relinquish;
}

bool is_serving(const RoleMemory& memory) {
  return memory.state == CoordinatorState::Takeover || memory.state == CoordinatorState::Primary;
}

class Role {
 public:
  Role(const RoleInput& in, const RoleSettings& settings, RolePlan& plan)
      : in_(in), settings_(settings), plan_(plan), memory_(plan.next), primary_(is_primary(in.view, in.self)) {}

  void decide() {
    for (const RoleHookAnswered& answer : in_.answers) take(answer);
    if (in_.vacated) memory_.vacating = false;
    if (in_.vacated == false) ++memory_.vacates_failed;
    if (in_.view.complete) memory_.view_was_whole = in_.now;
    resume();
    follow_the_store();
    ask_hooks();
    go_on();
    plan_.shown = {memory_.state, memory_.epoch};
    if (!is_held(memory_.state) && !settings_.is_coordinator) plan_.shown.state = CoordinatorState::Client;
  }

 private:
  // What the guard would vacate, and others may claim, is not served: the view that is acted on must be whole.
  bool may_serve() const { return in_.may_act && in_.now - memory_.view_was_whole <= settings_.decision_limit; }

  const RoleRecord* recorded() const {
    const auto known = in_.view.roles.find(in_.self.node);
    return known == in_.view.roles.end() ? nullptr : &known->second.value;
  }

  // A service is not taken over before its hook says so. One that does not let go of it cannot keep a daemon from
  // leaving: that counts as given up, and the epoch keeps what comes late from harm. Where the role is lost it is asked
  // again.
  void take(const RoleHookAnswered& answer) {
    const auto waiting = memory_.unacknowledged.find(answer.hook);
    if (answer.change != memory_.change || waiting == memory_.unacknowledged.end()) return;
    if (answer.acknowledged || (memory_.state == CoordinatorState::Relinquish && in_.leave))
      memory_.unacknowledged.erase(waiting);
    else
      waiting->second = {false, in_.now + role_hook_interval};
  }

  // A daemon that ended as primary without a word has left its hooks in service: what it had published says so.
  void resume() {
    if (memory_.resumed || !in_.view.complete) return;
    memory_.resumed = true;
    if (!recorded() || !is_held(recorded()->state)) return;
    if (!primary_ || !may_serve()) enter(CoordinatorState::Relinquish, epoch_of(in_.view));
  }

  void follow_the_store() {
    const Epoch epoch = epoch_of(in_.view);
    const bool is_new = !is_held(memory_.state) || epoch != memory_.epoch;
    if (primary_ && in_.view.complete && (may_serve() || in_.leave) && is_new) enter(CoordinatorState::Takeover, epoch);
    if (is_serving(memory_) && (!primary_ || !may_serve() || in_.leave))
      enter(CoordinatorState::Relinquish, memory_.epoch);
  }

  // Taken over is only what is on record: if this daemon ends without a word, the next one finds what to let go of.
  void ask_hooks() {
    const bool on_record = recorded() && *recorded() == RoleRecord{memory_.state, memory_.epoch};
    if (memory_.state == CoordinatorState::Takeover && !on_record) return;
    for (const std::string& hook : settings_.hooks) {
      const auto waiting = memory_.unacknowledged.find(hook);
      if (waiting == memory_.unacknowledged.end() || waiting->second.asking || in_.now < waiting->second.not_before)
        continue;
      waiting->second.asking = true;
      plan_.ask.push_back({hook, memory_.state, memory_.epoch, memory_.change});
    }
  }

  void go_on() {
    if (!memory_.unacknowledged.empty()) return;
    if (memory_.state == CoordinatorState::Takeover) return enter(CoordinatorState::Primary, memory_.epoch);
    if (memory_.state != CoordinatorState::Relinquish) return;
    if (!primary_ || !in_.leave) return enter(CoordinatorState::Secondary, memory_.epoch);
    if (memory_.vacating || in_.now < memory_.vacate_not_before) return;
    plan_.vacate = memory_.vacating = true;
    memory_.vacate_not_before = in_.now + vacate_interval;
  }

  void enter(CoordinatorState state, Epoch epoch) {
    memory_.state = state;
    memory_.epoch = epoch;
    memory_.change++;
    memory_.vacates_failed = 0;
    memory_.unacknowledged.clear();
    if (state == CoordinatorState::Takeover || state == CoordinatorState::Relinquish)
      for (const std::string& hook : settings_.hooks) memory_.unacknowledged[hook];
  }

  const RoleInput& in_;
  const RoleSettings& settings_;
  RolePlan& plan_;
  RoleMemory& memory_;
  const bool primary_;
};

}  // namespace

RolePlan decide_role(const RoleInput& in, const RoleSettings& settings, const RoleMemory& memory) {
  RolePlan plan{memory, {}, {}, false};
  Role(in, settings, plan).decide();
  return plan;
}

bool is_primary(const ClusterView& view, const Life& life) {
  const LeaderRecord* leader = primary_of(view);
  return leader && leader->node == life.node && leader->incarnation == life.incarnation;
}

bool is_free_of_role(const RoleMemory& memory, bool is_primary) {
  return (!is_primary && !is_held(memory.state)) || memory.vacates_failed >= vacate_tries_max;
}

bool has_let_go(const RoleMemory& memory) { return !is_serving(memory) && memory.unacknowledged.empty(); }

}  // namespace pvcd::logic
