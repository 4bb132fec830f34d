#include "settled.hpp"

#include <algorithm>

#include "audit/history.hpp"

namespace pvcd::sim {
namespace {

const Core* primary(const World& world) {
  const auto* leader = find<LeaderRecord>(world.store.records(), Kind::Leader);
  if (!leader || leader->node.empty()) return nullptr;
  const Node& node = world.node(world.index_of(leader->node));
  return node.host.is_on() && node.core.process.runs() ? &node.core : nullptr;
}

NodeName primary_name(const World& world) {
  const auto* leader = find<LeaderRecord>(world.store.records(), Kind::Leader);
  return leader ? leader->node : NodeName();
}

std::uint64_t promised_on(const World& world, const NodeName& node) {
  std::uint64_t sum = 0;
  for (const auto& [key, entry] : world.store.entries()) {
    if (key.kind != Kind::Owner) continue;
    const auto& owner = std::get<OwnerRecord>(entry->record);
    const auto* vm = find<VmRecord>(world.store.records(), Kind::Vm, key.name);
    if (vm && !owner.released && owner.owner.node == node) sum += vm->memory;
  }
  return sum;
}

bool has_local_disk(const VmRecord& vm) {
  return std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Local; });
}

// Being shut out of Ceph proves nothing of other disks: the VM waits for a later boot of that host, or a person.
bool waits_for_its_host(const World& world, const VmRecord& vm, const OwnerRecord* owner) {
  const auto* evidence =
      owner ? find<EvidenceRecord>(world.store.records(), Kind::Evidence, owner->owner.boot) : nullptr;
  return evidence && evidence->kind == EvidenceKind::Storage &&
         std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind != DiskKind::Rbd; });
}

// It is told to, and has no device: no VM is started there, and people are told that.
bool cannot_fence_itself(const Node& node) { return node.watchdog.wanted && !node.watchdog.fitted; }

// Some host that is on could take it.
bool has_room(const World& world, const VmRecord& vm) {
  const auto* owner = find<OwnerRecord>(world.store.records(), Kind::Owner, vm.uuid);
  for (const auto& node : world.nodes) {
    const NodeName& name = node->host.name();
    const bool allowed =
        vm.node_limit.empty() || std::find(vm.node_limit.begin(), vm.node_limit.end(), name) != vm.node_limit.end();
    const bool bound = has_local_disk(vm) || waits_for_its_host(world, vm, owner);
    const NodeName pin = bound ? (owner ? owner->owner.node : vm.home) : NodeName();
    if (cannot_fence_itself(*node)) continue;
    if (!node->host.is_on() || !allowed || (!pin.empty() && pin != name)) continue;
    if (promised_on(world, name) + vm.memory <= node->host.memory_total) return true;
  }
  return false;
}

std::string wanted_running(const World& world, const VmRecord& vm) {
  const auto* owner = find<OwnerRecord>(world.store.records(), Kind::Owner, vm.uuid);
  const auto* run = find<RunRecord>(world.store.records(), Kind::Run, vm.uuid);
  if (owner && !owner->released) {
    const Host& host = world.node(world.index_of(owner->owner.node)).host;
    const bool here = host.is_on() && host.boot() == owner->owner.boot;
    const bool runs = std::any_of(host.qemus().begin(), host.qemus().end(),
                                  [&](const QemuPointer& qemu) { return qemu->uuid == vm.uuid && qemu->runs; });
    if (here && runs && run)
      for (const QemuPointer& qemu : host.qemus())
        for (const auto& instance : qemu->instances)
          if (qemu->uuid == vm.uuid &&
              std::ranges::count(run->instances, instance->address, &ClientInstance::address) == 0)
            return vm.name + " has " + instance->image + " open, and no record says through which client";
    const auto* node = find<NodeRecord>(world.store.records(), Kind::Node, owner->owner.node);
    if (here && node && node->incarnation != owner->owner.incarnation)
      return vm.name + " belongs to an incarnation of " + owner->owner.node + " that has ended";
    if (here && runs && run && run->generation == owner->generation && run->state == VmState::Running &&
        run->reason.empty())
      return find<WaitingRecord>(world.store.records(), Kind::Waiting, vm.uuid) ? vm.name + " runs and is said to wait"
                                                                                : "";
    if (here) return vm.name + " does not run on its owner " + owner->owner.node + (run ? ": " + run->reason : "");
  }
  const Core* core = primary(world);
  if (!core) return "there is no primary";
  auto waiting = core->waiting().find(vm.uuid);
  if (waiting != core->waiting().end() && !waiting->second.empty() && !has_room(world, vm))
    return find<WaitingRecord>(world.store.records(), Kind::Waiting, vm.uuid)
               ? ""
               : vm.name + " waits, and nobody is told why";
  return vm.name + " has no place: " + (waiting == core->waiting().end() ? "and nobody says why" : waiting->second);
}

std::string not_wanted(const World& world, const VmRecord& vm) {
  for (const auto& node : world.nodes)
    for (const QemuPointer& qemu : node->host.qemus())
      if (qemu->uuid == vm.uuid) return vm.name + " still runs on " + node->host.name();
  return {};
}

// Records that nothing refers to any more, and what has to be known of each living node.
std::string left_over(const World& world, const Key& key, const Entry& entry) {
  const auto is_on = [&](const NodeName& name) { return world.node(world.index_of(name)).host.is_on(); };
  if (key.kind == Kind::Fence && is_on(key.name)) return "the fence of " + key.name + " is still there";
  if (key.kind == Kind::Node && is_on(key.name)) {
    const auto* ready = find<ReadinessRecord>(world.store.records(), Kind::Readiness, key.name);
    const auto& node = std::get<NodeRecord>(entry.record);
    const bool known = ready && ready->boot == node.boot &&
                       ready->fence_ready != cannot_fence_itself(world.node(world.index_of(key.name)));
    if (!known && node.name != primary_name(world)) return "nobody knows that " + key.name + " can be fenced";
  }
  if (key.kind != Kind::Evidence) return {};
  const Life& life = std::get<EvidenceRecord>(entry.record).life;
  const auto* node = find<NodeRecord>(world.store.records(), Kind::Node, life.node);
  for (const auto& [owned, owner] : world.store.entries()) {
    if (owned.kind != Kind::Owner) continue;
    const auto& depends = std::get<OwnerRecord>(owner->record);
    if (!depends.released && depends.owner.boot == life.boot) return {};
  }
  return node && node->boot != life.boot ? "the evidence about " + key.name + " is still there" : "";
}

}  // namespace

std::string still_open(const World& world) {
  for (const auto& node : world.nodes)
    if (node->host.is_on() && !node->keepalive.beating()) return node->host.name() + " has not joined";
  for (const auto& [key, entry] : world.store.entries()) {
    if (key.kind == Kind::Job) {
      const auto& job = std::get<JobRecord>(entry->record);
      // A node that is off and owns nothing is nobody's concern; the job ends in its own time.
      const bool nobody_answers =
          job.type == "node-release-images" && !world.node(world.index_of(job.object)).host.is_on();
      if (job.state != JobState::Finished && !nobody_answers)
        return key.name + " (" + job.type + " " + job.object + ") has not ended";
    }
    if (const std::string left = left_over(world, key, *entry); !left.empty()) return left;
    if (key.kind != Kind::Vm) continue;
    const auto& vm = std::get<VmRecord>(entry->record);
    if (world.oracle.has_run_on_a_copy(vm.uuid)) continue;  // which is gone: people must say what is to be done
    const std::string open = vm.wanted == WantedState::Running ? wanted_running(world, vm) : not_wanted(world, vm);
    if (!open.empty()) return open;
  }
  return primary(world) ? std::string() : "there is no primary";
}

std::string unproven_start(const World& world) {
  std::map<VmUuid, audit::VmHistory> histories;
  for (const auto& [key, entry] : world.store.entries()) {
    if (key.kind != Kind::Link) continue;
    const VmUuid uuid = key.name.substr(0, key.name.find('/'));
    audit::VmHistory& history = histories[uuid];
    history.uuid = uuid;
    history.links.push_back({*number_of(key.name), std::get<LinkRecord>(entry->record), {}});
  }
  for (const auto& [uuid, history] : histories)
    if (const auto found = audit::check(history); !found.broken.empty()) return found.broken.front();
  return {};
}

}  // namespace pvcd::sim
