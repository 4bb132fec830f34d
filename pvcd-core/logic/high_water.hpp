// Is the store behind what a node has seen of it? Then it has lost writes or is another cluster, and nobody starts or
// fences anything until an operator has decided (safety rule 15).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "logic/decision.hpp"
#include "logic/view.hpp"
#include "sdk/change.hpp"

namespace pvcd::logic {

// What a node keeps on its own disk, because the store may forget it. Only an acceptance lowers it.
struct HighWaterMarks {
  std::string cluster_id;  // empty: no cluster has been seen yet
  Epoch epoch = 0;
  std::string primary;  // who led in that epoch, with its incarnation: two histories may use the same number
  std::map<VmUuid, Generation> generations;
  bool operator==(const HighWaterMarks&) const = default;
};

struct HighWaterPlan {
  std::string behind;   // in what, with both values, and who says so; empty: this store may be acted on
  HighWaterMarks next;  // to be on disk before anything else is done
  Changes tell;         // everybody, in one transaction; refused when what this node has read is old. May be empty.
  Decision why;         // of what is told
};

// Whose word that entry of the store is.
std::optional<NodeName> witness_of(const std::string& path);

HighWaterPlan check_high_water(const ClusterView&, const HighWaterMarks&, const NodeName& self);

// The store as it is shall count: no word stands against it any more, and the role is vacant at the highest epoch that
// anybody has said, so that the next claim is above all of them (S4); the epoch in a word that cannot be read is not
// known, and who said it stands still again if it was higher. Empty: nobody says that the store is behind.
Changes acceptance(const ClusterView&);

}  // namespace pvcd::logic
