// May this node claim the leadership now, or act on it? (safety rules 10, 14 and 15). The claim itself is one
// transaction by the election plugin; this only says when it is worth trying and on which record.
#pragma once

#include <map>
#include <optional>

#include "logic/liveness.hpp"
#include "sdk/roles.hpp"

namespace pvcd::logic {

struct ElectionSettings {
  std::vector<NodeName> coordinators;
  Microseconds decision_limit = 0;   // a core older than this does not decide any more
  Microseconds preference_wait = 0;  // how long others stand back for a node that was asked to become primary
  Microseconds hearing_wait = 0;     // how long a node that joined or was away waits to hear the others; 0: not at all
  Microseconds away_limit = 0;       // one that has not seen the whole store for longer was away
};

struct ElectionInput {
  const ClusterView& view;
  Life self;
  Instant now = 0;
};

// A node's newest heartbeat: the version of its live entry.
struct Beat {
  Version version = 0;
  Instant seen_at = 0;
  bool operator==(const Beat&) const = default;
};

struct ElectionMemory {
  bool vacant = false;
  Instant vacant_since = 0;
  Instant whole_at = 0;  // the whole store was seen last
  Incarnation joined = 0;
  bool must_hear = false;  // the others, before it claims the role or decides as primary
  Instant back_since = 0;
  std::map<NodeName, Beat> beats;  // of all nodes, while it must hear them
  bool operator==(const ElectionMemory&) const = default;
};

struct ElectionPlan {
  ElectionMemory next;
  std::optional<ClaimRequest> claim;  // its permit is filled in when it is sent
};

ElectionPlan decide_election(const ElectionInput&, const ElectionSettings&, const ElectionMemory&);

}  // namespace pvcd::logic
