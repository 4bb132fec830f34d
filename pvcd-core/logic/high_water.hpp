// Is the store behind what this node has seen of it? Then it has lost writes or is another cluster, and nobody here
// starts or fences anything until an operator has decided (safety rule 15).
#pragma once

#include <map>
#include <string>

#include "logic/view.hpp"

namespace pvcd::logic {

// What a node keeps on its own disk, because the store may forget it. It never decreases.
struct HighWaterMarks {
  std::string cluster_id;  // empty: no cluster has been seen yet
  Epoch epoch = 0;
  std::map<VmUuid, Generation> generations;
  bool operator==(const HighWaterMarks&) const = default;
};

struct HighWaterPlan {
  std::string behind;   // in what, with both values; empty: this store may be acted on once `next` is on disk
  HighWaterMarks next;  // the same as before when the store is behind, or not read completely
};

HighWaterPlan check_high_water(const ClusterView&, const HighWaterMarks&);

}  // namespace pvcd::logic
