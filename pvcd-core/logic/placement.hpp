// Which node may run a VM, and which is best: memory that is not promised to another VM, home first among equals.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logic/liveness.hpp"

namespace pvcd::logic {

struct Placement {
  NodeName node;                      // empty: none
  std::vector<std::string> rejected;  // "n2: 3.1 GiB free, web1 needs 4.0 GiB", one per node that was not taken
};

// Bytes promised on each node: every VM assigned to it, running or not. Kept over a round so that placements of one round
// see each other (finding F24).
std::map<NodeName, std::uint64_t> provisioned_memory(const ClusterView&);

Placement place(const ClusterView&, const VmRecord&, const std::map<NodeName, std::uint64_t>& provisioned, const Sights&, Instant now,
                Microseconds suspect_after);

}  // namespace pvcd::logic
