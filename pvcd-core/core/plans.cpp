#include "core/plans.hpp"

#include "logic/transactions.hpp"
#include "sdk/claim.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

struct Basis {
  Key key;
  std::optional<Version> version;  // that the change insists on
};

Basis basis_of(const Change& change) {
  return std::visit(
      []<class One>(const One& one) -> Basis {
        if constexpr (std::is_same_v<One, Put>)
          return {one.key, one.replaces};
        else if constexpr (std::is_same_v<One, Append>)
          return {{one.kind, {}}, std::nullopt};
        else if constexpr (std::is_same_v<One, Absent>)
          return {one.key, std::nullopt};
        else
          return {one.key, one.version};
      },
      change);
}

std::vector<std::string> inputs_of(const Changes& changes) {
  std::vector<std::string> inputs;
  for (const Change& change : changes)
    if (const Basis basis = basis_of(change); basis.version && *basis.version != any_version)
      inputs.push_back(store::paths::of(basis.key) + "@" + std::to_string(*basis.version));
  return inputs;
}

std::vector<std::string> jobs_of(const Changes& changes) {
  std::vector<std::string> jobs;
  for (const Change& change : changes)
    if (const auto* append = std::get_if<Append>(&change))
      if (const auto* job = std::get_if<JobRecord>(&append->record)) jobs.push_back(job->type + " " + job->object);
  return jobs;
}

// "vm/<uuid>" or "node/<name>", as Explain names them.
std::string object_of(const Changes& changes) {
  for (const Change& change : changes) {
    const Key key = basis_of(change).key;
    switch (key.kind) {
      case Kind::Vm:
      case Kind::Owner:
      case Kind::Run:
        return "vm/" + key.name;
      case Kind::Node:
      case Kind::Fence:
      case Kind::Readiness:
      case Kind::Role:
      case Kind::Witness:
        return "node/" + key.name;
      default:
        break;
    }
  }
  return {};
}

// What it is about and the versions that it was made on are told by the changes.
DecisionRecord record_of(const logic::Decision& decision, const logic::ClusterView& view, const Decider& decider,
                         const Changes& changes) {
  DecisionRecord record;
  record.what = decision.what;
  record.because = decision.because;
  record.evidence = decision.evidence;
  record.rejected = decision.rejected;
  record.object = object_of(changes);
  record.inputs = inputs_of(changes);
  record.follow_up = jobs_of(changes);
  record.epoch = logic::epoch_of(view);
  record.node = decider.node;
  record.time = decider.time;
  return record;
}

// Book-keeping that changes nothing a person asks about later.
bool is_worth_a_record(const logic::CoordinatorAct& act) {
  return !std::holds_alternative<logic::UpdateJob>(act) && !std::holds_alternative<logic::RemoveJob>(act) &&
         !std::holds_alternative<logic::TellWaiting>(act);
}

std::optional<Changes> changes_of(const logic::AgentAction& action, const Decider& decider) {
  if (const auto* write = std::get_if<logic::WriteRun>(&action.act)) return logic::transaction_of(*write, action.uuid);
  if (const auto* ask = std::get_if<logic::AskRelease>(&action.act)) return logic::transaction_of(*ask, decider.node);
  if (const auto* finish = std::get_if<logic::FinishJob>(&action.act)) return logic::transaction_of(*finish);
  return std::nullopt;
}

Carried carried(std::optional<Changes> changes, const logic::Decision& why, bool stored, const logic::ClusterView& view,
                const Decider& decider) {
  Carried result;
  result.record = record_of(why, view, decider, changes.value_or(Changes()));
  result.changes = std::move(changes);
  result.stored = stored;
  if (stored) result.changes->push_back(Append{Kind::Decision, *result.record});
  return result;
}

Carried carried(const logic::CoordinatorAction& action, const logic::ClusterView& view, const Decider& decider) {
  auto changes = logic::transaction_of(action.act, view);
  const bool harms =
      std::holds_alternative<logic::PowerOff>(action.act) || std::holds_alternative<logic::FenceStorage>(action.act);
  if (!changes && !harms) return {};
  const bool stored = changes && is_worth_a_record(action.act);
  return carried(std::move(changes), action.why, stored, view, decider);
}

Carried carried(const logic::AgentAction& action, const logic::ClusterView& view, const Decider& decider) {
  auto changes = changes_of(action, decider);
  const bool stored = changes.has_value();
  return carried(std::move(changes), action.why, stored, view, decider);
}

template <class Plan>
std::vector<Carried> each_carried(const Plan& plan, const logic::ClusterView& view, const Decider& decider) {
  std::vector<Carried> steps;
  for (const auto& action : plan.actions) steps.push_back(carried(action, view, decider));
  return steps;
}

}  // namespace

std::vector<Carried> carried(const logic::CoordinatorPlan& plan, const logic::ClusterView& view,
                             const Decider& decider) {
  return each_carried(plan, view, decider);
}

std::vector<Carried> carried(const logic::AgentPlan& plan, const logic::ClusterView& view, const Decider& decider) {
  return each_carried(plan, view, decider);
}

// The election plugin makes the same transaction of the same request.
std::vector<Carried> carried(const logic::ElectionPlan& plan, const logic::ClusterView&, const Decider& decider) {
  if (!plan.claim) return {};
  Carried claim;
  claim.changes = election::claim_changes(*plan.claim, election::holder_of(*plan.claim), decider.time);
  claim.record = std::get<DecisionRecord>(std::get<Append>(claim.changes->back()).record);
  claim.stored = true;
  return {std::move(claim)};
}

Carried carried(const logic::HighWaterPlan& plan, const logic::ClusterView& view, const Decider& decider) {
  Carried word{plan.tell, record_of(plan.why, view, decider, plan.tell), true};
  word.changes->push_back(Append{Kind::Decision, *word.record});
  return word;
}

}  // namespace pvcd::core
