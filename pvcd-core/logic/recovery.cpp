// Who runs what: a VM that is wanted gets an owner when every possible writer of its disks is released or covered by
// evidence (S2); nothing else ever moves ownership.

#include <algorithm>

#include "logic/placement.hpp"
#include "logic/round.hpp"

namespace pvcd::logic {
namespace {

// The mirror follows a write within moments. Later the record was changed by others.
constexpr Microseconds own_write_limit = seconds(5);

struct Cover {
  CoverKind kind;
  const char* words;
};

Cover cover_of(const EvidenceRecord& evidence) {
  switch (evidence.kind) {
    case EvidenceKind::Power:
      return {CoverKind::Power, " is off: its BMC read off after our off"};
    case EvidenceKind::LaterBoot:
      return {CoverKind::LaterBoot, " is over: the node runs a later boot"};
    case EvidenceKind::Operator:
      return {CoverKind::Operator, " was confirmed off by an operator"};
    case EvidenceKind::Storage:
      return {CoverKind::Storage, " is shut out of its disks: no OSD takes a write of it"};
    case EvidenceKind::Watchdog:
      return {CoverKind::Watchdog, " was cut by its own watchdog: it had no proof of life for too long"};
  }
  return {CoverKind::None, " is not covered"};
}

// The present owner as a former writer, if something proves that it cannot write any more.
std::optional<Writer> as_former(const ClusterView& view, const VmRecord& vm, const OwnerRecord& owner) {
  Writer writer;
  writer.life = owner.owner;
  writer.generation = owner.generation;
  writer.storage_addresses = owner.storage_addresses;
  auto run = view.runs.find(vm.uuid);
  if (run != view.runs.end() && run->second.value.generation == owner.generation)
    writer.instances = run->second.value.instances;
  if (owner.released)
    writer.cover = CoverKind::Release;
  else if (const EvidenceRecord* evidence = evidence_for(view, owner.owner.boot, vm))
    writer.cover = cover_of(*evidence).kind;
  else
    return std::nullopt;
  return writer;
}

std::string describe(const ClusterView& view, const Writer& former) {
  const std::string who =
      former.life.node + " (boot " + former.life.boot + ", generation " + std::to_string(former.generation) + ")";
  if (former.cover == CoverKind::Release) return who + " released it";
  return who + cover_of(view.evidence.at(former.life.boot).value).words;
}

bool is_evidence(const Writer& writer) {
  return writer.cover == CoverKind::Power || writer.cover == CoverKind::LaterBoot ||
         writer.cover == CoverKind::Operator || writer.cover == CoverKind::Storage ||
         writer.cover == CoverKind::Watchdog;
}

// Says the newer writer all that the older one does? Evidence about a boot of a node proves its earlier boots over,
// too; a release proves nothing about what evidence was needed for.
bool is_implied(const Writer& older, const Writer& newer) {
  const bool same_place = older.life.node == newer.life.node && older.storage_addresses == newer.storage_addresses;
  return same_place && older.cover != CoverKind::None && (is_evidence(newer) || older.cover == CoverKind::Release);
}

// Starts may fail on one node after another for ever: of each, no more is kept than its newest cover implies, so that
// the list is bounded by the nodes. The instances go over to the newer writer: locks of any of them may remain.
void add_former(std::vector<Writer>& former, Writer newest) {
  for (const Writer& older : former) {
    if (!is_implied(older, newest)) continue;
    for (const ClientInstance& instance : older.instances)
      if (std::find(newest.instances.begin(), newest.instances.end(), instance) == newest.instances.end())
        newest.instances.push_back(instance);
  }
  std::erase_if(former, [&](const Writer& older) { return is_implied(older, newest); });
  former.push_back(std::move(newest));
}

// For the VM's history: the evidence is copied, because it is dropped when nothing depends on it any more.
Handover handover_of(const ClusterView& view, const Writer& former) {
  Handover handover{former.life, former.generation, former.cover, {}};
  if (is_evidence(former)) handover.evidence = view.evidence.at(former.life.boot).value;
  return handover;
}

OwnerRecord next_owner(const Round& round, const NodeName& node, const OwnerRecord* present,
                       std::optional<Writer> former) {
  const NodeRecord& target = round.view().nodes.at(node).value;
  OwnerRecord owner;
  owner.generation = present ? present->generation + 1 : 1;
  owner.owner = {node, target.boot, target.incarnation};
  owner.storage_addresses = target.storage_addresses;
  owner.epoch = round.view().leader->value.epoch;
  if (present) owner.former = present->former;
  if (present) owner.failed_on = present->failed_on;
  if (former) add_former(owner.former, std::move(*former));
  return owner;
}

// Why it has to wait; empty: it does not.
std::string wait_reason(const Round& round, const VmRecord& vm, const std::optional<Writer>& former,
                        const Placement& placement) {
  if (former && former->cover != CoverKind::Release && in_maintenance(round.view()))
    return "the cluster is in maintenance: VMs of lost nodes are not recovered";
  if (!placement.node.empty()) return {};
  if (!placement.awaited.empty())
    return "waiting for " + placement.awaited + ", where " + vm.name +
           " ran and which is starting; otherwise it goes to " + placement.otherwise;
  const NodeName pin = pinned_to(round.view(), vm);
  return (pin.empty() ? "no node can take it now: " : "waiting for " + pin + ", which has its local disks: ") +
         list_of(placement.rejected);
}

// Its owner runs it, or evidence about it is being gathered; unless what there is proves nothing of its disks.
void wait_for_proof(Round& round, const VmRecord& vm, const OwnerRecord& owner) {
  if (evidence_about(round.view(), owner.owner.boot))
    round.next.waiting[vm.uuid] = owner.owner.node + " is shut out of Ceph, which proves nothing of a disk that " +
                                  vm.name + " has: start that host again, or confirm it off";
}

std::string assign_key(const VmUuid& uuid) { return "assign/" + uuid; }

void assign(Round& round, const VmRecord& vm, Promises& promises) {
  auto seen = round.view().owners.find(vm.uuid);
  const OwnerRecord* present = seen == round.view().owners.end() ? nullptr : &seen->second.value;
  std::optional<Writer> former;
  if (present) {
    former = as_former(round.view(), vm, *present);
    if (!former) return wait_for_proof(round, vm, *present);
  }
  if (round.next.assigning.contains(vm.uuid) || round.is_under_way(assign_key(vm.uuid))) return;
  Placement placement = place(round.view(), vm, promises, round.next.sights, round.in.now, round.settings);
  const std::string why_not = wait_reason(round, vm, former, placement);
  if (!why_not.empty()) {
    round.next.waiting[vm.uuid] = why_not;
    if (!placement.otherwise.empty()) keep_room(promises, placement.otherwise, vm);
    return;
  }
  promise(promises, placement.node, vm, false);
  AssignVm act;
  act.key = assign_key(vm.uuid);
  act.uuid = vm.uuid;
  if (former) act.handover = handover_of(round.view(), *former);
  act.record = next_owner(round, placement.node, present, former);
  if (seen != round.view().owners.end()) act.replaces = seen->second.version;
  act.vm_version = round.view().vms.at(vm.uuid).version;
  if (present && !present->released) act.relies_on.push_back(present->owner.boot);
  round.next.assigning[vm.uuid] = {placement.node, act.record.generation, round.in.now + own_write_limit};
  std::vector<std::string> evidence;
  if (former) evidence.push_back(describe(round.view(), *former));
  round.plan(
      act,
      {"assign " + vm.name + " to " + placement.node + " at generation " + std::to_string(act.record.generation),
       former ? describe(round.view(), *former) : "it is wanted and never had an owner", evidence, placement.rejected});
}

bool was_refused(const Round& round, const VmUuid& uuid) {
  return std::any_of(round.in.answers.begin(), round.in.answers.end(), [&](const CoordinatorAnswer& answer) {
    const auto* done = std::get_if<Done>(&answer);
    return done && done->key == assign_key(uuid) && done->outcome == Outcome::Refused;
  });
}

// What is seen, and what earlier rounds have promised and is not seen yet: the view follows the own writes later, and
// what gave no answer may have been written.
Promises promises_so_far(Round& round) {
  std::erase_if(round.next.assigning, [&](const auto& one) {
    const auto& [uuid, assigning] = one;
    auto owner = round.view().owners.find(uuid);
    const bool seen = owner != round.view().owners.end() && owner->second.value.generation >= assigning.generation;
    const bool overdue = !round.is_under_way(assign_key(uuid)) && round.in.now >= assigning.limit;
    return seen || overdue || was_refused(round, uuid) || !round.view().vms.contains(uuid);
  });
  Promises promises = promised_memory(round.view());
  for (const auto& [uuid, assigning] : round.next.assigning)
    promise(promises, assigning.node, round.view().vms.at(uuid).value, false);
  return promises;
}

bool is_unreadable(const ClusterView& view, const std::string& directory) {
  auto found = view.broken.lower_bound(directory);
  return found != view.broken.end() && found->first.starts_with(directory);
}

// A fence ends when its reason ends (rule 4): nothing of the victim is left to settle, a later boot or incarnation has
// joined, or it proves itself alive again and nobody asked for it.
bool is_over(const Round& round, const FenceRecord& fence, const std::set<BootId>& owed) {
  const bool proven = fence.phase == FencePhase::Confirmed || evidence_about(round.view(), fence.victim.boot);
  const bool settled = !owed.contains(fence.victim.boot);
  auto node = round.view().nodes.find(fence.victim.node);
  if (node == round.view().nodes.end() || node->second.value.boot != fence.victim.boot) return proven || settled;
  if (proven) return settled;
  if (node->second.value.incarnation != fence.victim.incarnation) return fence.phase == FencePhase::Intent;
  if (is_acted_upon(round, fence.victim.node)) return false;  // a join must wait for what may come late
  return health(round.view(), round.next.sights, fence.victim.node, round.in.now, round.settings.suspect_after) ==
             Health::Alive &&
         !is_asked_off(round.view(), node->second.value);
}

std::string name_of(const ClusterView& view, const VmUuid& uuid) {
  auto vm = view.vms.find(uuid);
  return vm == view.vms.end() ? uuid : vm->second.value.name;
}

// What can be read has its version; what cannot be is written over.
std::optional<Version> version_of_waiting(const ClusterView& view, const VmUuid& uuid) {
  auto seen = view.waiting.find(uuid);
  if (seen != view.waiting.end()) return seen->second.version;
  return view.broken.contains("/waiting/" + uuid) ? std::optional(any_version) : std::nullopt;
}

}  // namespace

// For people on every node. A text may change with every heartbeat, so it is written only now and then.
void tell_waiting(Round& round) {
  const auto& waiting = round.next.waiting;
  std::erase_if(round.next.waiting_told, [&](const auto& told) { return !waiting.contains(told.first); });
  std::size_t left = round.settings.waiting_told_at_once;
  const auto tell = [&](const VmUuid& uuid, std::optional<WaitingRecord> record, Decision why) {
    const std::string key = "waiting/" + uuid;
    if (left == 0 || round.is_under_way(key)) return;
    --left;
    if (record) round.next.waiting_told[uuid] = round.in.now;
    round.plan(TellWaiting{key, uuid, std::move(record), version_of_waiting(round.view(), uuid)}, std::move(why));
  };
  for (const auto& [uuid, reason] : waiting) {
    auto seen = round.view().waiting.find(uuid);
    if (seen != round.view().waiting.end() && seen->second.value.reason == reason) continue;
    auto told = round.next.waiting_told.find(uuid);
    if (told != round.next.waiting_told.end() && round.in.now - told->second < round.settings.waiting_told_interval)
      continue;
    tell(uuid, WaitingRecord{reason}, {name_of(round.view(), uuid) + " waits", reason, {}, {}});
  }
  for (const auto& [uuid, seen] : round.view().waiting)
    if (!waiting.contains(uuid))
      tell(uuid, std::nullopt, {name_of(round.view(), uuid) + " waits no longer", "what was missing is there", {}, {}});
}

void assign_vms(Round& round) {
  round.next.waiting.clear();
  std::vector<const VmRecord*> wanted;
  for (const auto& [uuid, vm] : round.view().vms)
    if (vm.value.wanted == WantedState::Running && !round.view().broken.contains("/owners/" + uuid))
      wanted.push_back(&vm.value);
  std::sort(wanted.begin(), wanted.end(), matters_more);
  Promises promises = promises_so_far(round);
  for (const VmRecord* vm : wanted) assign(round, *vm, promises);
}

void drop_settled(Round& round) {
  if (is_unreadable(round.view(), "/owners/")) return;  // who still owes what is not known
  std::set<BootId> owed;                                // boots that a VM still has to be moved away from
  for (const auto& [uuid, owner] : round.view().owners)
    if (!owner.value.released) owed.insert(owner.value.owner.boot);
  for (const auto& [name, fence] : round.view().fences)
    if (is_over(round, fence.value, owed))
      round.plan(DropFence{"drop-fence/" + name, name, fence.version},
                 {"close the fence of " + name, "its reason has ended", {}, {}});
  for (const auto& [boot, evidence] : round.view().evidence) {
    auto node = round.view().nodes.find(evidence.value.life.node);
    const bool present_boot = node != round.view().nodes.end() && node->second.value.boot == boot;
    if (owed.contains(boot) || present_boot) continue;
    round.plan(DropEvidence{"drop-evidence/" + boot, boot, evidence.version},
               {"drop the evidence about boot " + boot, "no VM depends on it and the node has a later boot", {}, {}});
  }
}

}  // namespace pvcd::logic
