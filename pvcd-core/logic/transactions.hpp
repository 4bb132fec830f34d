// Each act on the store as the one transaction that it is, with its checks. The only place that turns decisions
// into writes, so the epoch guard (S3) and the guards against life (rule 13) are to be read here and nowhere else.
#pragma once

#include <optional>

#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "sdk/change.hpp"

namespace pvcd::logic {

// Refused by the store when the leadership has moved since the decision.
Changes epoch_guard(const ClusterView&);

// What the store's answer to such a transaction says of the act.
Outcome outcome_of(CommitCode);

// Acts on the store; nothing for the acts that are requests to a plugin.
std::optional<Changes> transaction_of(const CoordinatorAct&, const ClusterView&);

Changes transaction_of(const WriteRun&, const VmUuid&);
Changes transaction_of(const AskRelease&, const NodeName& asking);
Changes transaction_of(const FinishJob&);

}  // namespace pvcd::logic
