#include "record_rules.hpp"

#include <algorithm>
#include <set>

namespace pvcd::sim {
namespace {

using Verdict = std::optional<Broken>;

// S3. Where there was no leader there is no epoch.
Verdict under_old_epoch(const Truth& truth, const Author& author, const Key& key) {
  const auto* leader = find<LeaderRecord>(truth.entries(), Kind::Leader);
  const Epoch epoch = leader ? leader->epoch : 0;
  if (author.part != Part::Coordinator || author.epoch == epoch) return {};
  return Broken{"S3", name_of_node(author.node) + " changes " + key.name + ", decided at epoch " +
                          std::to_string(author.epoch) + ", at epoch " + std::to_string(epoch)};
}

Verdict leader_changed(const Truth& truth, const LeaderRecord* old, const LeaderRecord* now) {
  if (old && (!now || now->epoch < old->epoch)) return Broken{"S4", "the epoch decreases"};
  if (!now || now->node.empty() || (old && *old == *now)) return {};
  if (old && now->epoch == old->epoch && (now->node != old->node || now->incarnation != old->incarnation))
    return Broken{"S4", "epoch " + std::to_string(now->epoch) + " has two holders"};
  if (!truth.entries().find(session_key(now->node, now->incarnation)))
    return Broken{"S3", now->node + " becomes primary without a session"};
  return {};
}

Verdict joined(const Truth& truth, const NodeRecord& now) {
  const auto* fence = find<FenceRecord>(truth.entries(), Kind::Fence, now.name);
  if (fence && fence->victim.boot == now.boot && fence->phase == FencePhase::Acting)
    return Broken{"fence", now.name + " joins while an off about its boot may be under way"};
  if (truth.entries().find({Kind::Evidence, now.boot}))
    return Broken{"S2", now.name + " joins in a boot that is declared dead"};
  return {};
}

// One machine for each name, one name for each machine (safety rule 13).
Verdict node_changed(const Truth& truth, const NodeRecord* old, const NodeRecord* now) {
  if (!now) return old ? std::optional(Broken{"S4", old->name + " is forgotten"}) : std::nullopt;
  for (const auto& [key, entry] : truth.entries().all()) {
    if (key.kind != Kind::Node || key.name == now->name) continue;
    const auto& other = std::get<NodeRecord>(entry->record);
    if (other.machine_id == now->machine_id || other.system_uuid == now->system_uuid)
      return Broken{"identity", now->name + " and " + other.name + " are one machine"};
  }
  if (!old) return joined(truth, *now);
  if (now->incarnation < old->incarnation) return Broken{"S4", "the incarnation of " + old->name + " decreases"};
  if (now->machine_id != old->machine_id || now->system_uuid != old->system_uuid)
    return Broken{"identity", "another machine takes the name " + old->name};
  if (now->boot == old->boot && now->incarnation == old->incarnation) return {};
  if (now->incarnation == old->incarnation) return Broken{"S4", old->name + " joins without a new incarnation"};
  if (now->boot != old->boot && truth.lives(old->name, old->boot))
    return Broken{"identity", old->name + " joins in another boot while boot " + old->boot + " lives"};
  return joined(truth, *now);
}

std::uint64_t promised_on(const Entries& entries, const NodeName& node) {
  std::uint64_t sum = 0;
  for (const auto& [key, entry] : entries.all()) {
    if (key.kind != Kind::Owner) continue;
    const auto& owner = std::get<OwnerRecord>(entry->record);
    const auto* vm = find<VmRecord>(entries, Kind::Vm, key.name);
    const bool counts = vm && !owner.released && owner.owner.node == node;
    if (counts && !entries.find({Kind::Evidence, owner.owner.boot})) sum += vm->memory;
  }
  return sum;
}

bool is_bound(const VmRecord& vm) {
  return std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Local; });
}

Verdict assigned(const Truth& truth, const VmUuid& uuid, const OwnerRecord* old, const OwnerRecord& now) {
  const Entries& entries = truth.entries();
  const auto* vm = find<VmRecord>(entries, Kind::Vm, uuid);
  const NodeName& to = now.owner.node;
  if (!vm) return Broken{"S2", uuid + " is assigned, but not defined"};
  if (!entries.find(session_key(to, now.owner.incarnation)))
    return Broken{"S2", uuid + " is assigned to " + to + ", which does not take part"};
  if (!vm->node_limit.empty() && std::find(vm->node_limit.begin(), vm->node_limit.end(), to) == vm->node_limit.end())
    return Broken{"place", uuid + " is assigned to " + to + ", which its limit does not name"};
  if (is_bound(*vm) && to != (old ? old->owner.node : vm->home.empty() ? to : vm->home))
    return Broken{"place", uuid + " is assigned to " + to + ", which does not have its local disk"};
  const auto* node = find<NodeRecord>(entries, Kind::Node, to);
  if (node && promised_on(entries, to) > node->memory_total)
    return Broken{"place", "more memory of " + to + " is promised than it has"};
  return {};
}

// The one that wrote before is on record with what proves that it does not any more.
bool is_covered(const Entries& entries, const VmUuid& uuid, const OwnerRecord& old, const OwnerRecord& now) {
  return std::any_of(now.former.begin(), now.former.end(), [&](const Writer& writer) {
    if (writer.life != old.owner || writer.generation != old.generation) return false;
    if (old.released) return writer.cover == CoverKind::Release;
    const auto* evidence = find<EvidenceRecord>(entries, Kind::Evidence, old.owner.boot);
    if (!evidence) return false;
    const auto* vm = find<VmRecord>(entries, Kind::Vm, uuid);
    const bool is_in_ceph = vm && std::all_of(vm->disks.begin(), vm->disks.end(),
                                              [](const Disk& disk) { return disk.kind == DiskKind::Rbd; });
    if (evidence->kind == EvidenceKind::Storage && !is_in_ceph) return false;
    constexpr CoverKind covers[] = {CoverKind::Power, CoverKind::LaterBoot, CoverKind::Operator, CoverKind::Storage,
                                    CoverKind::Watchdog};
    return writer.cover == covers[static_cast<std::size_t>(evidence->kind)];
  });
}

// Where it could not be started: told by who gives it back, kept by who places it, until it runs or all were tried.
Verdict failures_changed(const VmUuid& uuid, const OwnerRecord& old, const OwnerRecord& now) {
  if (std::set(now.failed_on.begin(), now.failed_on.end()).size() != now.failed_on.size())
    return Broken{"place", uuid + " is said to have failed on a node twice"};
  if (now.generation > old.generation && now.failed_on != old.failed_on)
    return Broken{"place", uuid + " is assigned, and where it could not be started is forgotten"};
  return {};
}

// S2: from one possible writer to the next only by release or when its boot is over.
Verdict owner_changed(const Truth& truth, const Author& author, const VmUuid& uuid, const OwnerRecord* old,
                      const OwnerRecord* now) {
  if (!now) return Broken{"S4", "the generation of " + uuid + " is forgotten"};
  if (!old) return assigned(truth, uuid, nullptr, *now);
  if (now->generation < old->generation) return Broken{"S4", "the generation of " + uuid + " decreases"};
  if (auto broken = failures_changed(uuid, *old, *now)) return broken;
  if (now->generation > old->generation) {
    if (!old->released && truth.lives(old->owner.node, old->owner.boot))
      return Broken{"S2", uuid + " is assigned to " + now->owner.node + " while " + old->owner.node +
                              " has not released it and lives"};
    if (!is_covered(truth.entries(), uuid, *old, *now))
      return Broken{"S2", uuid + " is assigned to " + now->owner.node + " without proof about " + old->owner.node};
    return assigned(truth, uuid, old, *now);
  }
  if (now->owner.node != old->owner.node || now->owner.boot != old->owner.boot)
    return Broken{"S2", uuid + " changes hands within generation " + std::to_string(now->generation)};
  if (name_of_node(author.node) != old->owner.node)
    return Broken{"S2", "the ownership of " + uuid + " is written by another than its owner"};
  if (!now->released && old->released) return Broken{"S2", "the release of " + uuid + " is taken back"};
  return {};
}

// What a node did with a VM is written by who owns it, of the generation that it owns.
Verdict run_changed(const Truth& truth, const Author& author, const VmUuid& uuid, const RunRecord* now) {
  if (!now) return {};
  const auto* owner = find<OwnerRecord>(truth.entries(), Kind::Owner, uuid);
  const bool is_owner = owner && owner->owner.node == name_of_node(author.node) &&
                        now->life.boot == owner->owner.boot && now->generation == owner->generation;
  if (!is_owner || (owner->released && now->state != VmState::Stopped))
    return Broken{"S2", name_of_node(author.node) + " records " + uuid + ", which it does not own"};
  return {};
}

Verdict fence_changed(const Truth& truth, const FenceRecord* now) {
  if (!now) return {};
  const Life& victim = now->victim;
  if (now->phase == FencePhase::Confirmed) {
    if (truth.entries().find({Kind::Evidence, victim.boot})) return {};
    return Broken{"evidence", "the fence of " + victim.node + " is confirmed without evidence"};
  }
  const auto* node = find<NodeRecord>(truth.entries(), Kind::Node, victim.node);
  if (!node || node->boot != victim.boot || node->incarnation != victim.incarnation)
    return Broken{"fence", "a life of " + victim.node + " is to be fenced that is not its present one"};
  return {};
}

Verdict evidence_changed(const Truth& truth, const BootId& boot, const EvidenceRecord* old, const EvidenceRecord* now) {
  if (!now) {
    for (const auto& [key, entry] : truth.entries().all()) {
      if (key.kind != Kind::Owner) continue;
      const auto& owner = std::get<OwnerRecord>(entry->record);
      if (!owner.released && owner.owner.boot == boot)
        return Broken{"S2", "the evidence about " + boot + " is dropped, on which " + key.name + " depends"};
    }
    return {};
  }
  if (old && (old->kind != EvidenceKind::Storage || now->kind == EvidenceKind::Storage))
    return Broken{"evidence", "evidence about " + boot + " is overwritten by what proves no more"};
  if (now->facts.empty() || now->observer.empty())
    return Broken{"S7", "evidence about " + boot + " does not say who saw what"};
  if (truth.entries().find(session_key(now->life.node, now->life.incarnation)))
    return Broken{"evidence", boot + " is taken for over while it has a session"};
  if (truth.lives(now->life.node, boot)) return Broken{"evidence", boot + " is taken for over and lives"};
  return {};
}

}  // namespace

std::optional<Broken> broken_by(const Truth& truth, const Author& author, const Key& key, const Entry* before,
                                const Entry* after) {
  if (auto broken = under_old_epoch(truth, author, key)) return broken;
  switch (key.kind) {
    case Kind::Leader:
      return leader_changed(truth, value_in<LeaderRecord>(before), value_in<LeaderRecord>(after));
    case Kind::Node:
      return node_changed(truth, value_in<NodeRecord>(before), value_in<NodeRecord>(after));
    case Kind::Owner:
      return owner_changed(truth, author, key.name, value_in<OwnerRecord>(before), value_in<OwnerRecord>(after));
    case Kind::Run:
      return run_changed(truth, author, key.name, value_in<RunRecord>(after));
    case Kind::Fence:
      return fence_changed(truth, value_in<FenceRecord>(after));
    case Kind::Evidence:
      return evidence_changed(truth, key.name, value_in<EvidenceRecord>(before), value_in<EvidenceRecord>(after));
    default:
      return {};
  }
}

}  // namespace pvcd::sim
