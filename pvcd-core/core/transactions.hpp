// Each act on the store as the one transaction that it is, with its checks. Pure; the only place that turns decisions
// into writes, so the epoch guard (S3) and the guards against life (rule 13) are to be read here and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "store/store.hpp"

namespace pvcd::core {

using Transaction = std::vector<store::Operation>;

// Refused by the store when the leadership has moved since the decision.
Transaction epoch_guard(const logic::ClusterView&);

// Acts on the store; nothing for the acts that are requests to a plugin.
std::optional<Transaction> transaction_of(const logic::CoordinatorAct&, const logic::ClusterView&);

Transaction transaction_of(const logic::WriteRun&, const VmUuid&);
Transaction transaction_of(const logic::AskRelease&, const NodeName& asking);
Transaction transaction_of(const logic::FinishJob&);

// Appends the record of the decision: it exists exactly if the act does (S7).
void add_decision(Transaction&, const std::string& json);

}  // namespace pvcd::core
