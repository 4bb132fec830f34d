#include "core/objects/derive.hpp"

#include <algorithm>

#include "logic/high_water.hpp"
#include "logic/jobs.hpp"
#include "logic/liveness.hpp"
#include "logic/waiting.hpp"
#include "runtime/names.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

using logic::ClusterView;
using logic::Live;

namespace {

const OwnerRecord* owner_of(const ClusterView& view, const VmUuid& vm) {
  auto found = view.owners.find(vm);
  return found == view.owners.end() || found->second.value.generation == 0 ? nullptr : &found->second.value;
}

// What the present owner said; what a former one said does not count any more.
const RunRecord* current_run(const ClusterView& view, const VmUuid& vm) {
  const OwnerRecord* owner = owner_of(view, vm);
  auto found = view.runs.find(vm);
  if (!owner || found == view.runs.end() || found->second.value.generation != owner->generation) return nullptr;
  return &found->second.value;
}

bool proven_gone(const ClusterView& view, const BootId& boot) { return view.evidence.contains(boot); }

bool has_process(VmState state) {
  return state == VmState::Running || state == VmState::Paused || state == VmState::Stopping ||
         state == VmState::Migrating;
}

// The run record of a VM that has a QEMU somewhere as far as anybody can know.
const RunRecord* running(const ClusterView& view, const VmUuid& vm) {
  const RunRecord* run = current_run(view, vm);
  if (!run || owner_of(view, vm)->released || !has_process(run->state)) return nullptr;
  return proven_gone(view, run->life.boot) ? nullptr : run;
}

bool broken(const ClusterView& view, const std::string& directory, const std::string& name) {
  return view.broken.contains(store::paths::under(directory, name));
}

bool unreadable(const ClusterView& view, const VmUuid& vm) {
  return broken(view, store::paths::vms, vm) || broken(view, store::paths::owners, vm) ||
         broken(view, store::paths::runs, vm);
}

std::string why_unreadable(const ClusterView& view, const VmUuid& vm) {
  for (const std::string& directory : {store::paths::vms, store::paths::owners, store::paths::runs}) {
    const std::string path = store::paths::under(directory, vm);
    if (auto found = view.broken.find(path); found != view.broken.end())
      return "store entry " + path + ": " + found->second;
  }
  return {};
}

bool takes_over_from_a_dead_owner(const OwnerRecord& owner) {
  return std::any_of(owner.former.begin(), owner.former.end(), [](const Writer& writer) {
    return writer.cover != CoverKind::None && writer.cover != CoverKind::Release;
  });
}

VmState state_under_a_living_owner(const OwnerRecord& owner, const RunRecord* run, WantedState wanted) {
  if (run && run->state == VmState::Unknown) return VmState::Unknown;
  if (wanted != WantedState::Running) {
    if (!run) return VmState::Stopping;
    return run->state == VmState::Stopped || run->state == VmState::Failed ? run->state : VmState::Stopping;
  }
  if (run && (has_process(run->state) || run->state == VmState::Failed)) return run->state;
  return takes_over_from_a_dead_owner(owner) ? VmState::Recovering : VmState::Starting;
}

VmState vm_state(const ClusterView& view, const VmRecord& vm) {
  const bool wanted = vm.wanted == WantedState::Running;
  const OwnerRecord* owner = owner_of(view, vm.uuid);
  const RunRecord* run = current_run(view, vm.uuid);
  if (unreadable(view, vm.uuid)) return VmState::Unknown;
  if (!owner || owner->released) {
    if (owner && run && run->state == VmState::Failed) return VmState::Failed;
    return wanted ? VmState::Starting : VmState::Stopped;
  }
  if (proven_gone(view, owner->owner.boot)) return wanted ? VmState::Recovering : VmState::Stopped;
  if (logic::has_left(view, owner->owner)) return VmState::Unknown;
  if (!logic::shows_life(view, owner->owner.node, owner->owner.boot))
    return wanted ? VmState::Recovering : VmState::Unknown;
  return state_under_a_living_owner(*owner, run, vm.wanted);
}

// Its host has been cut, or cut off; the others say that it is over by itself.
bool is_fence(EvidenceKind kind) {
  return kind == EvidenceKind::Power || kind == EvidenceKind::Storage || kind == EvidenceKind::Watchdog;
}

DaemonState daemon_state(const ClusterView& view, const NodeRecord& node, DaemonState last_state) {
  const Live* live = live_of(view, node);
  if (live && live->session) return live->value.daemon_state;
  auto evidence = view.evidence.find(node.boot);
  if (evidence != view.evidence.end())
    return is_fence(evidence->second.value.kind) ? DaemonState::Fenced : DaemonState::Dead;
  return live ? live->value.daemon_state : last_state;
}

CoordinatorState coordinator_state(const ClusterView& view, const NodeName& node, bool coordinator) {
  if (!coordinator) return CoordinatorState::Client;
  const LeaderRecord* leader = primary_of(view);
  auto role = view.roles.find(node);
  const CoordinatorState said = role == view.roles.end() ? CoordinatorState::Secondary : role->second.value.state;
  if (leader && leader->node == node) {
    const bool arrived = said == CoordinatorState::Primary && role->second.value.epoch == leader->epoch;
    if (said == CoordinatorState::Relinquish) return said;
    const bool let_go = said == CoordinatorState::Secondary && role->second.value.epoch == leader->epoch;
    if (let_go) return said;
    return arrived ? CoordinatorState::Primary : CoordinatorState::Takeover;
  }
  return said == CoordinatorState::Relinquish ? said : CoordinatorState::Secondary;
}

// Whoever wrote the job: what is shown is a path.
std::string object_path(const JobRecord& job) {
  const logic::JobType* type = logic::find_job_type(job.type);
  if (type && type->target == logic::Target::Vm && runtime::names::is_uuid(job.object))
    return runtime::names::vm_path(job.object);
  if (type && type->target == logic::Target::Node && runtime::names::is_node_name(job.object))
    return runtime::names::node_path(job.object);
  return runtime::names::root_path;
}

}  // namespace

void Sightings::look(const ClusterView& view, Instant now) {
  std::erase_if(nodes_, [&](const auto& known) { return !view.nodes.contains(known.first); });
  for (const auto& [name, node] : view.nodes) {
    auto [known, is_new] = nodes_.try_emplace(name);
    Sighting& sighting = known->second;
    if (is_new) sighting.moved_at = now;
    const Live* live = live_of(view, node.value);
    if (!live) continue;
    const bool moved = live->value.incarnation != sighting.incarnation || live->value.counter != sighting.counter;
    if (moved) sighting.moved_at = now;
    sighting.incarnation = live->value.incarnation;
    sighting.counter = live->value.counter;
    sighting.last_state = live->value.daemon_state;
  }
}

const Sighting* Sightings::of(const NodeName& node) const {
  auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second;
}

Microseconds Sightings::age(const NodeName& node, Instant now) const {
  const Sighting* sighting = of(node);
  return sighting ? now - sighting->moved_at : 0;
}

std::map<NodeName, NodeTotals> node_totals(const ClusterView& view) {
  std::map<NodeName, NodeTotals> totals;
  for (const auto& [uuid, vm] : view.vms) {
    if (const OwnerRecord* owner = owner_of(view, uuid))
      totals[owner->owner.node].memory_provisioned += vm.value.memory;
    if (const RunRecord* run = running(view, uuid)) {
      NodeTotals& node = totals[run->life.node];
      node.memory_allocated += vm.value.memory;
      node.vcpus_allocated += vm.value.vcpus;
      node.running_vms += 1;
    }
  }
  return totals;
}

ManagerProperties derive_manager(const ClusterView& view, const NodeName& self, bool connected, Microseconds own_age) {
  ManagerProperties shown;
  if (view.cluster) shown.cluster_name = view.cluster->value.name;
  if (view.cluster) shown.maintenance = view.cluster->value.maintenance;
  shown.epoch = epoch_of(view);
  for (const auto& [name, witness] : view.witnesses)
    if (!witness.value.accepted) shown.witnesses[name] = witness.value.behind;
  for (const auto& [path, wrong] : view.broken)
    if (const auto name = logic::witness_of(path)) shown.witnesses[*name] = "its word cannot be read: " + wrong;
  if (const LeaderRecord* leader = primary_of(view)) shown.primary = leader->node;
  shown.quorate = connected && view.complete;
  auto node = view.nodes.find(self);
  const Live* live = node == view.nodes.end() ? nullptr : live_of(view, node->second.value);
  if (!live) return shown;
  for (const auto& [name, unit] : live->value.units)
    shown.plugins.push_back({name, logic::unit_name(name), unit.state, unit.age + own_age, unit.note});
  return shown;
}

NodeProperties derive_node(const ClusterView& view, const NodeRecord& node, const NodeTotals& totals, bool coordinator,
                           DaemonState last_state) {
  NodeProperties shown;
  shown.name = node.name;
  shown.daemon_state = daemon_state(view, node, last_state);
  shown.coordinator_state = coordinator_state(view, node.name, coordinator);
  shown.domain_state = "ready";
  shown.boot = node.boot;
  shown.incarnation = node.incarnation;
  shown.addresses = node.addresses;
  shown.floating_addresses = node.floating_addresses;
  shown.memory_total = node.memory_total;
  shown.cpu_count = node.cpu_count;
  if (const Live* live = live_of(view, node)) {
    shown.memory_used = live->value.memory_used;
    shown.memory_free = live->value.memory_free;
    shown.cpu_load = live->value.cpu_load;
  }
  shown.memory_allocated = totals.memory_allocated;
  shown.memory_provisioned = totals.memory_provisioned;
  shown.vcpus_allocated = totals.vcpus_allocated;
  shown.running_vms = totals.running_vms;
  auto readiness = view.readiness.find(node.name);
  const bool checked = readiness != view.readiness.end() && readiness->second.value.boot == node.boot;
  shown.fence_ready = checked && readiness->second.value.fence_ready;
  shown.fence_note = checked ? readiness->second.value.note : "not checked since this boot";
  return shown;
}

VmProperties derive_vm(const ClusterView& view, const VmRecord& vm, const logic::UnitNeeds& needs) {
  VmProperties shown;
  shown.name = vm.name;
  shown.uuid = vm.uuid;
  shown.wanted = vm.wanted;
  shown.state = vm_state(view, vm);
  if (const OwnerRecord* owner = owner_of(view, vm.uuid)) {
    shown.node = owner->owner.node;
    shown.generation = owner->generation;
    shown.migrated = !owner->released && !vm.home.empty() && owner->owner.node != vm.home;
  }
  shown.home = vm.home;
  shown.failed_reason =
      unreadable(view, vm.uuid) ? why_unreadable(view, vm.uuid) : logic::what_is_missing(view, vm, needs);
  shown.profile = vm.profile;
  shown.autostart = vm.autostart;
  shown.memory = vm.memory;
  shown.vcpus = vm.vcpus;
  shown.priority = vm.priority;
  shown.disks = vm.disks;
  shown.node_limit = vm.node_limit;
  shown.tags = vm.tags;
  return shown;
}

JobProperties derive_job(const ClusterView& view, std::uint64_t id, const JobRecord& job,
                         const logic::UnitNeeds& needs) {
  JobProperties shown;
  shown.id = static_cast<std::uint32_t>(id);
  shown.type = job.type;
  shown.state = job.state;
  shown.result = job.result;
  shown.message = job.message;
  shown.started_on = job.started_on;
  shown.object_path = object_path(job);
  auto vm = view.vms.find(job.object);
  if (job.state == JobState::Running && vm != view.vms.end())
    shown.message = logic::what_is_missing(view, vm->second.value, needs);
  shown.start_time = job.start_time;
  shown.started_by_uid = job.started_by_uid;
  return shown;
}

}  // namespace pvcd::core
