// What carrying out an action means, told before it is done: a function of the plan and the view, so that whoever
// decides a round again gets the same.
#pragma once

#include <optional>
#include <vector>

#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "logic/election.hpp"
#include "logic/high_water.hpp"
#include "sdk/change.hpp"

namespace pvcd::core {

struct Decider {
  NodeName node;
  std::uint64_t time = 0;  // wall clock, microseconds; for people
};

struct Carried {
  std::optional<Changes> changes;        // absent: it writes nothing
  std::optional<DecisionRecord> record;  // absent: there is nothing to tell
  bool stored = false;  // the record is the last of the changes: it exists exactly if the act does (S7)
};

// One for each action of the plan, in its order.
std::vector<Carried> carried(const logic::CoordinatorPlan&, const logic::ClusterView&, const Decider&);
std::vector<Carried> carried(const logic::AgentPlan&, const logic::ClusterView&, const Decider&);
std::vector<Carried> carried(const logic::ElectionPlan&, const logic::ClusterView&, const Decider&);
Carried carried(const logic::HighWaterPlan&, const logic::ClusterView&, const Decider&);

}  // namespace pvcd::core
