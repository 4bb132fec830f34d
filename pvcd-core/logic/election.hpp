// May this node claim the leadership now? (safety rules 10 and 14). The claim itself is one transaction by the election
// plugin; this only says when it is worth trying and on which record.
#pragma once

#include <optional>

#include "logic/liveness.hpp"
#include "sdk/roles.hpp"

namespace pvcd::logic {

struct ElectionSettings {
  std::vector<NodeName> coordinators;
  Microseconds decision_limit = 0;   // a core older than this does not decide any more
  Microseconds preference_wait = 0;  // how long others stand back for a node that was asked to become primary
  Microseconds hearing_wait = 0;     // how long a node that has just joined waits to hear the others
};

struct ElectionInput {
  const ClusterView& view;
  Life self;
  Instant now = 0;
};

struct ElectionMemory {
  bool vacant = false;
  Instant vacant_since = 0;
  Incarnation joined = 0;  // this node's, as it was first seen alive
  Instant joined_at = 0;
  bool operator==(const ElectionMemory&) const = default;
};

struct ElectionPlan {
  ElectionMemory next;
  std::optional<ClaimRequest> claim;  // its permit is filled in when it is sent
};

ElectionPlan decide_election(const ElectionInput&, const ElectionSettings&, const ElectionMemory&);

}  // namespace pvcd::logic
