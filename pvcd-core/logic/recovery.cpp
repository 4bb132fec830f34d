// Who runs what: a VM that is wanted gets an owner when every possible writer of its disks is released or covered by
// evidence (S2); nothing else ever moves ownership.

#include <algorithm>

#include "logic/placement.hpp"
#include "logic/round.hpp"

namespace pvcd::logic {
namespace {

CoverKind cover_of(const EvidenceRecord& evidence) {
  switch (evidence.kind) {
    case EvidenceKind::Power: return CoverKind::Power;
    case EvidenceKind::LaterBoot: return CoverKind::LaterBoot;
    case EvidenceKind::Operator: return CoverKind::Operator;
  }
  return CoverKind::None;
}

// The present owner as a former writer, if something proves that it cannot write any more.
std::optional<Writer> as_former(const ClusterView& view, const VmUuid& uuid, const OwnerRecord& owner) {
  Writer writer;
  writer.life = owner.owner;
  writer.generation = owner.generation;
  writer.storage_addresses = owner.storage_addresses;
  auto run = view.runs.find(uuid);
  if (run != view.runs.end() && run->second.value.generation == owner.generation) writer.instances = run->second.value.instances;
  if (owner.released)
    writer.cover = CoverKind::Release;
  else if (const EvidenceRecord* evidence = evidence_about(view, owner.owner.boot))
    writer.cover = cover_of(*evidence);
  else
    return std::nullopt;
  return writer;
}

std::string describe(const Writer& writer) {
  const std::string who = writer.life.node + " (boot " + writer.life.boot + ", generation " + std::to_string(writer.generation) + ")";
  switch (writer.cover) {
    case CoverKind::Release: return who + " released it";
    case CoverKind::Power: return who + " is off: its BMC read off after our off";
    case CoverKind::LaterBoot: return who + " is over: the node runs a later boot";
    case CoverKind::Operator: return who + " was confirmed off by an operator";
    case CoverKind::None: break;
  }
  return who + " is not covered";
}

OwnerRecord next_owner(const Round& round, const NodeName& node, const OwnerRecord* present, std::optional<Writer> former) {
  const NodeRecord& target = round.view().nodes.at(node).value;
  OwnerRecord owner;
  owner.generation = present ? present->generation + 1 : 1;
  owner.owner = {node, target.boot, target.incarnation};
  owner.storage_addresses = target.storage_addresses;
  owner.epoch = round.view().leader->value.epoch;
  if (present) owner.former = present->former;
  if (former) owner.former.push_back(std::move(*former));
  return owner;
}

void assign(Round& round, const VmRecord& vm, std::map<NodeName, std::uint64_t>& provisioned) {
  auto seen = round.view().owners.find(vm.uuid);
  const OwnerRecord* present = seen == round.view().owners.end() ? nullptr : &seen->second.value;
  std::optional<Writer> former;
  if (present) {
    former = as_former(round.view(), vm.uuid, *present);
    if (!former) return;  // its owner runs it, or evidence about it is being gathered
  }
  const std::string key = "assign/" + vm.uuid;
  if (round.is_under_way(key)) return;
  // What the dead owner had promised is free again.
  if (present && !present->released) provisioned[present->owner.node] -= vm.memory;
  Placement placement = place(round.view(), vm, provisioned, round.next.sights, round.in.now, round.settings.suspect_after);
  if (placement.node.empty()) {
    std::string why;
    for (const std::string& reason : placement.rejected) why += (why.empty() ? "" : "; ") + reason;
    round.next.waiting[vm.uuid] = "no node can take it now: " + why;
    return;
  }
  round.next.waiting.erase(vm.uuid);
  provisioned[placement.node] += vm.memory;
  AssignVm act;
  act.key = key;
  act.uuid = vm.uuid;
  act.record = next_owner(round, placement.node, present, former);
  if (seen != round.view().owners.end()) act.replaces = seen->second.version;
  act.vm_version = round.view().vms.at(vm.uuid).version;
  if (present && !present->released) act.relies_on.push_back(present->owner.boot);
  std::vector<std::string> evidence;
  if (former) evidence.push_back(describe(*former));
  round.plan(act, {"assign " + vm.name + " to " + placement.node + " at generation " + std::to_string(act.record.generation),
                   former ? describe(*former) : "it is wanted and never had an owner", evidence, placement.rejected});
}

}  // namespace

void assign_vms(Round& round) {
  std::vector<const VmRecord*> wanted;
  for (const auto& [uuid, vm] : round.view().vms) {
    if (vm.value.wanted == WantedState::Running && !round.view().broken.contains("/owners/" + uuid)) wanted.push_back(&vm.value);
    if (vm.value.wanted != WantedState::Running) round.next.waiting.erase(uuid);
  }
  std::sort(wanted.begin(), wanted.end(), [](const VmRecord* a, const VmRecord* b) {
    return a->priority != b->priority ? a->priority > b->priority : a->name < b->name;
  });
  auto provisioned = provisioned_memory(round.view());
  for (const VmRecord* vm : wanted) assign(round, *vm, provisioned);
}

void drop_settled(Round& round) {
  std::set<BootId> owed;  // boots that a VM still has to be moved away from
  for (const auto& [uuid, owner] : round.view().owners)
    if (!owner.value.released) owed.insert(owner.value.owner.boot);
  for (const auto& [name, fence] : round.view().fences) {
    auto node = round.view().nodes.find(name);
    const bool over = node == round.view().nodes.end() || node->second.value.boot != fence.value.victim.boot;
    const bool settled = fence.value.phase == FencePhase::Confirmed && !owed.contains(fence.value.victim.boot);
    const bool rejoined = !over && fence.value.phase == FencePhase::Intent && node->second.value.incarnation != fence.value.victim.incarnation;
    if ((over && (evidence_about(round.view(), fence.value.victim.boot) || !owed.contains(fence.value.victim.boot))) || settled || rejoined)
      round.plan(DropFence{"drop-fence/" + name, name, fence.version}, {"close the fence of " + name, "its reason has ended", {}, {}});
  }
  for (const auto& [boot, evidence] : round.view().evidence) {
    auto node = round.view().nodes.find(evidence.value.life.node);
    const bool present_boot = node != round.view().nodes.end() && node->second.value.boot == boot;
    if (owed.contains(boot) || present_boot) continue;
    round.plan(DropEvidence{"drop-evidence/" + boot, boot, evidence.version},
               {"drop the evidence about boot " + boot, "no VM depends on it and the node has a later boot", {}, {}});
  }
}

}  // namespace pvcd::logic
