// Carries out what the coordinator decides and plays this node's part in the leadership. Follows
// core/coordinator_driver.cpp and core/role_driver.cpp; there is one role hook.
#include <algorithm>

#include "core.hpp"
#include "logic/transactions.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds claim_interval = milliseconds(200);

}  // namespace

void Core::run_coordinator(const Right& right) {
  logic::CoordinatorInput in{view(),        self(),  is_primary() && !election_memory_.must_hear,
                             right.may_act, clock(), std::exchange(coordinator_answers_, {}),
                             heard_};
  logic::CoordinatorPlan plan = logic::decide_coordinator(in, coordinator_settings_, coordinator_memory_);
  acted_ = acted_ || !plan.actions.empty();
  world_.oracle.decided(node_, view(), plan);
  coordinator_memory_ = std::move(plan.next);
  for (const logic::CoordinatorAction& action : plan.actions) execute(action);
}

void Core::answer(logic::CoordinatorAnswer one) {
  coordinator_answers_.push_back(std::move(one));
  wake(0);
}

void Core::execute(const logic::CoordinatorAction& action) {
  if (!std::holds_alternative<logic::ReadPower>(action.act))
    world_.trace(
        [&] { return world_.node(node_).host.name() + ": " + action.why.what + " (" + action.why.because + ")"; });
  if (const auto* read = std::get_if<logic::ReadPower>(&action.act)) return read_power(*read);
  if (const auto* off = std::get_if<logic::PowerOff>(&action.act)) return power_off(*off);
  if (const auto* give_up = std::get_if<logic::GiveUpRole>(&action.act)) {
    give_up_asked_ = true;
    coordinator_answers_.push_back(logic::Done{give_up->key, Outcome::Done});
    return;
  }
  if (const auto* shut_out = std::get_if<logic::FenceStorage>(&action.act)) return fence_storage(*shut_out);
  const auto changes = logic::transaction_of(action.act, view());
  if (!changes) return;
  world_.store.commit(client_, {node_, Part::Coordinator, epoch()}, *changes,
                      [this, key = logic::key_of(action.act)](const CommitOutcome& outcome) {
                        coordinator_answers_.push_back(logic::Done{key, logic::outcome_of(outcome.code)});
                      });
}

void Core::read_power(const logic::ReadPower& act) {
  calls_.add("bmc of " + act.node, [this, act] {
    Fencer& fencer = world_.node(node_).fencer;
    fencer.worker.call<PowerReading>(
        process, answer_limit, PowerReading{PowerState::Unknown, {}, "no answer"},
        [&fencer, act](std::function<void(PowerReading)> reply) {
          fencer.read({{}, act.node, act.boot, act.system_uuid}, reply);
        },
        [this, act, asked_at = clock()](PowerReading reading) {
          calls_.ended("bmc of " + act.node);
          answer(logic::PowerRead{act.node, act.boot, std::move(reading), asked_at});
          answer(logic::Done{act.key, Outcome::Done});
        },
        Worker::Thread::OfItsLane);
    return true;
  });
}

void Core::power_off(const logic::PowerOff& act) {
  calls_.add("bmc of " + act.victim.node, [this, act, decided_at = clock()] {
    const auto answered = [this, act, decided_at](Answer given) {
      const Outcome outcome = given.outcome;
      answer(logic::PowerActed{act.victim, std::move(given), decided_at, clock()});
      answer(logic::Done{act.key, outcome});
    };
    const bool may = right_.may_act && clock() < right_.not_after && logic::still_holds(act, view());
    if (!may) return answered({Outcome::Unknown, "not asked, because the right to it has gone"}), false;
    PowerRequest request;
    request.permit = {std::min(right_.not_after, clock() + coordinator_settings_.fence_deadline), act.epoch};
    request.node = act.victim.node;
    request.victim = act.victim;
    request.system_uuid = act.system_uuid;
    Fencer& fencer = world_.node(node_).fencer;
    fencer.worker.call<Answer>(
        process, answer_limit, Answer{Outcome::Unknown, "no answer"},
        [&fencer, request](std::function<void(Answer)> reply) { fencer.power(request, reply); },
        [this, act, answered](Answer outcome) {
          calls_.ended("bmc of " + act.victim.node);
          answered(std::move(outcome));
        },
        Worker::Thread::OfItsLane);
    return true;
  });
}

void Core::fence_storage(const logic::FenceStorage& act) {
  calls_.add("rbd-locks", [this, act, decided_at = clock()] {
    const auto answered = [this, act, decided_at](StorageFenced given) {
      const Outcome outcome = given.outcome;
      answer(logic::StorageActed{act.victim, std::move(given), decided_at});
      answer(logic::Done{act.key, outcome});
    };
    const bool may = right_.may_act && clock() < right_.not_after && logic::still_holds(act, view());
    if (!may) return answered({Outcome::Unknown, {}, {}, "not asked, because the right to it has gone"}), false;
    const StorageFenceRequest request{{std::min(right_.not_after, clock() + hook_limit), act.epoch},
                                      act.victim,
                                      act.addresses,
                                      act.instances,
                                      act.images};
    RbdGuard& guard = world_.node(node_).guard;
    guard.worker.call<StorageFenced>(
        process, hook_limit, StorageFenced{Outcome::Unknown, {}, {}, "no answer"},
        [&guard, request](std::function<void(StorageFenced)> reply) { guard.fence_storage(request, reply); },
        [this, answered](StorageFenced outcome) {
          calls_.ended("rbd-locks");
          answered(std::move(outcome));
        });
    return true;
  });
}

// ---------------------------------------------------------------------------------------------------------- the role

bool Core::is_primary() const { return logic::is_primary(view(), self()); }

void Core::run_role(const Right& right) {
  if (!is_primary()) give_up_asked_ = false;
  const bool leave = stopping_ || give_up_asked_;
  logic::RolePlan role = logic::decide_role(
      {view(), self(), right.may_act, leave, clock(), std::exchange(role_answers_, {}), std::exchange(vacated_, {})},
      role_settings_, role_memory_);
  if (role.next.change != role_memory_.change) wake(0);
  role_memory_ = std::move(role.next);
  for (const logic::AskRoleHook& asked : role.ask) ask(asked);
  if (role.vacate) vacate();
  publish(role.shown);
  logic::ElectionPlan plan = logic::decide_election({view(), self(), clock()}, election_settings_, election_memory_);
  election_memory_ = plan.next;
  if (plan.claim && right.may_act && !leave && !claiming_ && clock() >= claim_not_before_)
    claim(std::move(*plan.claim), right);
}

// One that hangs has acknowledged nothing when systemd replaces it.
void Core::ask(const logic::AskRoleHook& asked) {
  const bool in_time = role_hook_takes <= watchdog_limit;
  process.after(std::min(role_hook_takes, watchdog_limit), [this, asked, in_time] {
    role_answers_.push_back({asked.hook, asked.change, in_time && !world_.mishap(5)});
    wake(0);
  });
}

void Core::claim(ClaimRequest request, const Right& right) {
  claiming_ = true;
  claim_not_before_ = clock() + claim_interval;
  request.permit = {right.not_after, request.expected.epoch};
  Elector& elector = world_.node(node_).elector;
  world_.trace(
      [&] { return world_.node(node_).host.name() + " claims epoch " + std::to_string(request.expected.epoch + 1); });
  elector.worker.call<Answer>(
      process, answer_limit, Answer{}, [&elector, request](Elector::Reply reply) { elector.claim(request, reply); },
      [this](const Answer&) {
        claiming_ = false;
        wake(0);
      });
}

void Core::vacate() {
  const VacateRequest request{{clock() + answer_limit, role_memory_.epoch}, self()};
  Elector& elector = world_.node(node_).elector;
  elector.worker.call<Answer>(
      process, answer_limit, Answer{}, [&elector, request](Elector::Reply reply) { elector.vacate(request, reply); },
      [this](const Answer& answer) {
        vacated_ = answer.outcome == Outcome::Done;
        wake(0);
      });
}

void Core::publish(const RoleRecord& record) {
  if (!view().complete || publishing_) return;
  const NodeName& name = world_.node(node_).host.name();
  auto known = view().roles.find(name);
  if (known != view().roles.end() && known->second.value == record) return;
  publishing_ = true;
  std::optional<Version> replaces;
  if (known != view().roles.end()) replaces = known->second.version;
  world_.store.commit(client_, {node_, Part::Agent, epoch()}, {Put{{Kind::Role, name}, record, replaces}},
                      [this](const CommitOutcome&) { publishing_ = false; });
}

}  // namespace pvcd::sim
