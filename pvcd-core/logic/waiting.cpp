#include "logic/waiting.hpp"

#include "logic/liveness.hpp"
#include "logic/self_fence.hpp"

namespace pvcd::logic {
namespace {

std::string without_a_node(const ClusterView& view, const VmUuid& uuid) {
  if (!primary_of(view)) return "waiting for a primary: no coordinator has the role";
  const auto waiting = view.waiting.find(uuid);
  return waiting == view.waiting.end() ? "" : waiting->second.value.reason;
}

std::string on_a_lost_node(const ClusterView& view, const Life& owner) {
  const std::string why = "waiting for proof that " + owner.node + " is off";
  if (has_left(view, owner)) return why + ": it has left the cluster, and the VM may run on there";
  if (in_maintenance(view)) return why + ": the cluster is in maintenance, nobody is fenced unless asked for";
  const std::string cut = words_about_watchdog(view, owner);
  const auto fence = view.fences.find(owner.node);
  const bool silent = fence == view.fences.end() || fence->second.value.note.empty();
  return why + (silent ? "" : ": " + fence->second.value.note) + (cut.empty() ? "" : "; " + cut);
}

std::string on_a_living_node(const ClusterView& view, const NodeName& name, const RunRecord* run,
                             const UnitNeeds& needs) {
  const LiveRecord& live = live_of(view, view.nodes.at(name).value)->value;
  const std::string objection = unit_objection(live, needs);
  if (!objection.empty()) return "waiting for " + name + ": " + objection;
  if (run && !run->reason.empty()) return run->reason;
  const std::string& note = live.units.at("core").note;  // which every node needs
  return note.empty() ? "" : "waiting for " + name + ": " + note;
}

}  // namespace

std::string what_is_missing(const ClusterView& view, const VmRecord& vm, const UnitNeeds& needs) {
  const bool wanted = vm.wanted == WantedState::Running;
  const auto owner = view.owners.find(vm.uuid);
  if (owner == view.owners.end()) return wanted ? without_a_node(view, vm.uuid) : "";
  const auto seen = view.runs.find(vm.uuid);
  const bool current = seen != view.runs.end() && seen->second.value.generation == owner->second.value.generation;
  const RunRecord* run = current ? &seen->second.value : nullptr;
  const Life& life = owner->second.value.owner;
  if (owner->second.value.released || evidence_about(view, life.boot))
    return wanted ? without_a_node(view, vm.uuid) : "";
  if (!shows_life(view, life.node, life.boot)) return on_a_lost_node(view, life);
  const bool as_wanted = wanted && run && run->state == VmState::Running && run->reason.empty();
  return as_wanted ? "" : on_a_living_node(view, life.node, run, needs_of(vm, needs));
}

}  // namespace pvcd::logic
