#include "logic/ability.hpp"

#include <algorithm>

#include "logic/placement.hpp"
#include "logic/round.hpp"
#include "logic/self_fence.hpp"

namespace pvcd::logic {
namespace {

const LiveRecord* living(const ClusterView& view, const NodeName& name) {
  const auto node = view.nodes.find(name);
  const Live* live = node == view.nodes.end() ? nullptr : live_of(view, node->second.value);
  return live && live->session ? &live->value : nullptr;
}

// The primary; while there is none, whoever may become it.
std::vector<NodeName> who_would_fence(const ClusterView& view, const CoordinatorSettings& settings) {
  if (const LeaderRecord* primary = primary_of(view)) return {primary->node};
  std::vector<NodeName> names = settings.coordinators;
  std::erase_if(names, [&](const NodeName& name) { return !living(view, name); });
  return names;
}

// Only of the plugin, which may be away for hours: a core that is away is replaced by another, and the job waits for
// that. Where nobody lives, it is not the plugin that is missing.
std::string without_fencer(const ClusterView& view, const std::string& fencer, const CoordinatorSettings& settings) {
  std::vector<std::string> missing;
  for (const NodeName& name : who_would_fence(view, settings)) {
    const LiveRecord* live = living(view, name);
    const std::string no = live ? unit_objection(*live, fencer, settings.needs.silent_after) : std::string();
    if (no.empty()) return {};
    missing.push_back("on " + name + " " + no);
  }
  if (missing.empty()) return {};
  const std::string start = list_of(missing) + ". Start " + unit_name(fencer) + " there";
  if (!primary_of(view)) return "there is no primary, and no coordinator could do it: " + start + " and repeat";
  return "the primary would do it, and " + start + ", or make a coordinator primary where it runs, and repeat";
}

bool may_be_proven_otherwise(const ClusterView& view, const NodeRecord& victim, const CoordinatorSettings& settings) {
  if (evidence_about(view, victim.boot)) return true;
  const Live* live = live_of(view, victim);
  if (live && live->session) return false;
  if (live && cut_after(live->value)) return true;
  const auto by = who_would_fence(view, settings);
  return !settings.storage_fencer.empty() && std::any_of(by.begin(), by.end(), [&](const NodeName& name) {
    return objection_to_shutting_out(view, name, victim, settings).empty();
  });
}

// Of its plugins only, for the same reason.
std::string without_plugins(const LiveRecord& live, const UnitNeeds& needs) {
  std::string no;
  for (auto plugin = needs.plugins.begin(); no.empty() && plugin != needs.plugins.end(); ++plugin)
    no = unit_objection(live, *plugin, needs.silent_after);
  return no;
}

// Where it is, and from where nobody else can take it; nullptr: nowhere, or nobody knows.
const LiveRecord* living_owner(const ClusterView& view, const VmRecord& vm) {
  const auto owner = view.owners.find(vm.uuid);
  if (owner == view.owners.end() || owner->second.value.released) return nullptr;
  const Life& life = owner->second.value.owner;
  return shows_life(view, life.node, life.boot) && !evidence_for(view, life.boot, vm) ? living(view, life.node)
                                                                                      : nullptr;
}

std::string on_its_owner(const LiveRecord& owner, const VmRecord& vm, const UnitNeeds& needs) {
  const std::string no = without_plugins(owner, needs);
  return no.empty() ? no : vm.name + " is on " + owner.node + ", where " + no + ". Start it there and repeat";
}

bool may_run_on(const ClusterView& view, const VmRecord& vm, const NodeName& node) {
  const NodeName pin = pinned_to(view, vm);
  const auto& limit = vm.node_limit;
  return (pin.empty() || pin == node) && (limit.empty() || std::find(limit.begin(), limit.end(), node) != limit.end());
}

// Of a node that lives: the primary says what else may be wrong with it.
std::string without_elector(const ClusterView& view, const NodeName& name, const UnitNeeds& needs) {
  const LiveRecord* live = living(view, name);
  const std::string no = live ? unit_objection(*live, elector_unit, needs.silent_after) : std::string();
  return no.empty() ? no : "on " + name + " " + no;
}

}  // namespace

std::string objection_to_fence(const ClusterView& view, const NodeRecord& victim, const std::string& fencer,
                               const CoordinatorSettings& settings) {
  return may_be_proven_otherwise(view, victim, settings) ? std::string() : without_fencer(view, fencer, settings);
}

std::string objection_to_verification(const ClusterView& view, const std::string& fencer,
                                      const CoordinatorSettings& settings) {
  return without_fencer(view, fencer, settings);
}

std::string objection_to_handover(const ClusterView& view, const std::vector<NodeName>& to, const UnitNeeds& needs) {
  const std::string repeat = ". Start " + unit_name(elector_unit) + " there and repeat";
  if (const LeaderRecord* primary = primary_of(view))
    if (const std::string no = without_elector(view, primary->node, needs); !no.empty())
      return "the primary could not give the role back: " + no + repeat;
  std::vector<std::string> missing;
  for (const NodeName& name : to) {
    if (!living(view, name)) continue;
    const std::string no = without_elector(view, name, needs);
    if (no.empty()) return {};
    missing.push_back(no);
  }
  return missing.empty() ? std::string() : "nobody could take the role: " + list_of(missing) + repeat;
}

std::string objection_to_start(const ClusterView& view, const VmRecord& vm, const UnitNeeds& needs) {
  return vm.wanted == WantedState::Running ? std::string() : objection_to_restart(view, vm, needs);
}

std::string objection_to_restart(const ClusterView& view, const VmRecord& vm, const UnitNeeds& needs) {
  if (const LiveRecord* owner = living_owner(view, vm)) return on_its_owner(*owner, vm, needs_of(vm, needs));
  std::vector<std::string> missing;
  for (const auto& [name, node] : view.nodes) {
    const LiveRecord* live = living(view, name);
    if (!live || !may_run_on(view, vm, name)) continue;
    const std::string no = without_plugins(*live, needs_of(vm, needs));
    if (no.empty()) return {};
    missing.push_back("on " + name + " " + no);
  }
  if (missing.empty()) return {};
  return "no living node on which " + vm.name + " may run could start it: " + list_of(missing) +
         ". Start that and repeat";
}

std::string objection_to_stop(const ClusterView& view, const VmRecord& vm, const UnitNeeds& needs) {
  const LiveRecord* owner = living_owner(view, vm);
  const auto run = view.runs.find(vm.uuid);
  const bool on_record = owner && run != view.runs.end() && run->second.value.process &&
                         run->second.value.generation == view.owners.at(vm.uuid).value.generation;
  if (!on_record || needs.plugins.empty()) return {};
  return on_its_owner(*owner, vm, {{needs.plugins.front()}, needs.silent_after});
}

std::string objection_to_move(const ClusterView& view, const VmRecord& vm, const UnitNeeds& needs) {
  const LiveRecord* owner = vm.wanted == WantedState::Running ? living_owner(view, vm) : nullptr;
  return owner ? on_its_owner(*owner, vm, needs_of(vm, needs)) : std::string();
}

}  // namespace pvcd::logic
