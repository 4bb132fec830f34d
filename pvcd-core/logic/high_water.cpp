#include "logic/high_water.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

std::string what_is_behind(const ClusterView& view, const HighWaterMarks& marks) {
  if (marks.cluster_id.empty()) return {};
  if (!view.cluster) return "the store has no cluster, this node has seen cluster " + marks.cluster_id;
  if (view.cluster->value.id != marks.cluster_id)
    return "the store holds cluster " + view.cluster->value.id + ", this node belongs to " + marks.cluster_id;
  const Epoch epoch = epoch_of(view);
  if (epoch < marks.epoch)
    return "the store is at epoch " + std::to_string(epoch) + ", this node has seen " + std::to_string(marks.epoch);
  for (const auto& [uuid, generation] : marks.generations) {
    const auto owner = view.owners.find(uuid);
    const bool is_there = owner != view.owners.end();
    if (!is_there && view.broken.contains("/owners/" + uuid)) continue;  // left alone by everybody
    const Generation stored = is_there ? owner->second.value.generation : 0;
    if (stored < generation)
      return "the store has VM " + uuid + " at generation " + std::to_string(stored) + ", this node has seen " +
             std::to_string(generation);
  }
  return {};
}

}  // namespace

HighWaterPlan check_high_water(const ClusterView& view, const HighWaterMarks& marks) {
  if (!view.complete) return {{}, marks};
  HighWaterPlan plan{what_is_behind(view, marks), marks};
  if (!plan.behind.empty()) return plan;
  if (view.cluster) plan.next.cluster_id = view.cluster->value.id;
  plan.next.epoch = std::max(marks.epoch, epoch_of(view));
  // The owner record outlives its VM (transactions.cpp), so nothing is ever forgotten here.
  for (const auto& [uuid, owner] : view.owners) plan.next.generations[uuid] = owner.value.generation;
  return plan;
}

}  // namespace pvcd::logic
