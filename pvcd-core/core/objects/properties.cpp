// The tables of derive.hpp: how values are spelled on the bus, and which properties tell when they change.
#include <algorithm>
#include <tuple>

#include "core/objects/derive.hpp"
#include "core/objects/property_table.hpp"

namespace pvcd::core {

const char* text_of(DaemonState state) {
  switch (state) {
    case DaemonState::Unknown:
      break;
    case DaemonState::Init:
      return "init";
    case DaemonState::Run:
      return "run";
    case DaemonState::Shutdown:
      return "shutdown";
    case DaemonState::Left:
      return "left";
    case DaemonState::Stop:
      return "stop";
    case DaemonState::Dead:
      return "dead";
    case DaemonState::Fenced:
      return "fenced";
  }
  return "init";
}

const char* text_of(CoordinatorState state) {
  switch (state) {
    case CoordinatorState::Unknown:
      break;
    case CoordinatorState::Client:
      return "client";
    case CoordinatorState::Secondary:
      return "secondary";
    case CoordinatorState::Takeover:
      return "takeover";
    case CoordinatorState::Primary:
      return "primary";
    case CoordinatorState::Relinquish:
      return "relinquish";
  }
  return "client";
}

const char* text_of(WantedState state) {
  switch (state) {
    case WantedState::Stopped:
      return "stopped";
    case WantedState::Running:
      return "running";
    case WantedState::Disabled:
      return "disabled";
  }
  return "stopped";
}

const char* text_of(VmState state) {
  switch (state) {
    case VmState::Unknown:
      break;
    case VmState::Stopped:
      return "stopped";
    case VmState::Starting:
      return "starting";
    case VmState::Running:
      return "running";
    case VmState::Paused:
      return "paused";
    case VmState::Stopping:
      return "stopping";
    case VmState::Migrating:
      return "migrating";
    case VmState::Recovering:
      return "recovering";
    case VmState::Failed:
      return "failed";
  }
  return "unknown";
}

const char* text_of(DiskKind kind) {
  switch (kind) {
    case DiskKind::Rbd:
      return "rbd";
    case DiskKind::Shared:
      return "shared";
    case DiskKind::Local:
      return "local";
  }
  return "local";
}

const char* text_of(JobState state) {
  switch (state) {
    case JobState::Queued:
      return "queued";
    case JobState::Running:
      return "running";
    case JobState::Finished:
      return "finished";
  }
  return "queued";
}

const char* text_of(JobResult result) {
  switch (result) {
    case JobResult::None:
      return "";
    case JobResult::Done:
      return "done";
    case JobResult::Failed:
      return "failed";
    case JobResult::Canceled:
      return "canceled";
    case JobResult::Timeout:
      return "timeout";
    case JobResult::Skipped:
      return "skipped";
    case JobResult::Refused:
      return "refused";
  }
  return "";
}

namespace {

// Ages grow always; only what they are the age of can change.
bool same_plugins(const ManagerProperties& a, const ManagerProperties& b) {
  const auto same = [](const PluginLine& x, const PluginLine& y) {
    return std::tie(x.name, x.unit, x.state, x.note) == std::tie(y.name, y.unit, y.state, y.note);
  };
  return std::equal(a.plugins.begin(), a.plugins.end(), b.plugins.begin(), b.plugins.end(), same);
}

constexpr Property<ManagerProperties> manager_properties[] = {
    property<&ManagerProperties::cluster_name>("ClusterName"),
    property<&ManagerProperties::primary>("Primary"),
    property<&ManagerProperties::epoch>("Epoch"),
    property<&ManagerProperties::quorate>("Quorate"),
    property<&ManagerProperties::maintenance>("Maintenance"),
    property<&ManagerProperties::witnesses>("Witnesses"),
    {"Plugins", same_plugins},
};

constexpr Property<NodeProperties> node_properties[] = {
    property<&NodeProperties::daemon_state>("DaemonState"),
    property<&NodeProperties::coordinator_state>("CoordinatorState"),
    property<&NodeProperties::domain_state>("DomainState"),
    property<&NodeProperties::boot>("BootId"),
    property<&NodeProperties::incarnation>("Incarnation"),
    property<&NodeProperties::addresses>("Addresses"),
    property<&NodeProperties::floating_addresses>("FloatingAddresses"),
    property<&NodeProperties::memory_total>("MemoryTotal"),
    property<&NodeProperties::memory_used>("MemoryUsed"),
    property<&NodeProperties::memory_free>("MemoryFree"),
    property<&NodeProperties::memory_allocated>("MemoryAllocated"),
    property<&NodeProperties::memory_provisioned>("MemoryProvisioned"),
    property<&NodeProperties::cpu_count>("CpuCount"),
    property<&NodeProperties::vcpus_allocated>("VcpusAllocated"),
    property<&NodeProperties::running_vms>("RunningVms"),
    property<&NodeProperties::cpu_load>("CpuLoad"),
    property<&NodeProperties::fence_ready>("FenceReady"),
    property<&NodeProperties::fence_note>("FenceNote"),
};

// Selector and MigrationMethod are empty in this version and cannot change.
constexpr Property<VmProperties> vm_properties[] = {
    property<&VmProperties::name>("Name"),
    property<&VmProperties::wanted>("WantedState"),
    property<&VmProperties::state>("State"),
    property<&VmProperties::node>("Node"),
    property<&VmProperties::home>("HomeNode"),
    property<&VmProperties::failed_reason>("FailedReason"),
    property<&VmProperties::profile>("Profile"),
    property<&VmProperties::migrated>("Migrated"),
    property<&VmProperties::autostart>("Autostart"),
    property<&VmProperties::memory>("Memory"),
    property<&VmProperties::generation>("Generation"),
    property<&VmProperties::vcpus>("Vcpus"),
    property<&VmProperties::priority>("Priority"),
    property<&VmProperties::disks>("Disks"),
    property<&VmProperties::node_limit>("NodeLimit"),
    property<&VmProperties::tags>("Tags"),
};

// Progress follows from the state.
constexpr Property<JobProperties> job_properties[] = {
    property<&JobProperties::state>("State"),
    property<&JobProperties::result>("Result"),
    property<&JobProperties::message>("Message"),
    property<&JobProperties::state>("Progress"),
};

}  // namespace

std::span<const Property<ManagerProperties>> changing(const ManagerProperties&) { return manager_properties; }
std::span<const Property<NodeProperties>> changing(const NodeProperties&) { return node_properties; }
std::span<const Property<VmProperties>> changing(const VmProperties&) { return vm_properties; }
std::span<const Property<JobProperties>> changing(const JobProperties&) { return job_properties; }

}  // namespace pvcd::core
