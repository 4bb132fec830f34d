// What the bus shows, as functions of what is seen of the cluster. No bus type, no clock: the unit tests read them as a
// table.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "logic/units.hpp"
#include "logic/view.hpp"

namespace pvcd::core {

struct PluginLine {
  std::string name;
  std::string unit;
  std::string state;
  Microseconds age = 0;
  std::string note;
};

struct ManagerProperties {
  std::string cluster_name;
  std::string primary;
  Epoch epoch = 0;
  bool quorate = false;
  bool maintenance = false;
  std::map<NodeName, std::string> witnesses;  // in what the store is behind
  std::vector<PluginLine> plugins;
};

struct NodeProperties {
  std::string name;
  DaemonState daemon_state = DaemonState::Unknown;
  CoordinatorState coordinator_state = CoordinatorState::Unknown;
  std::string domain_state;
  BootId boot;
  Incarnation incarnation = 0;
  std::vector<std::string> addresses;
  std::vector<std::string> floating_addresses;
  std::uint64_t memory_total = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_free = 0;
  std::uint64_t memory_allocated = 0;
  std::uint64_t memory_provisioned = 0;
  std::uint32_t cpu_count = 0;
  std::uint32_t vcpus_allocated = 0;
  std::uint32_t running_vms = 0;
  double cpu_load = 0;
  bool fence_ready = false;
  std::string fence_note;
};

struct VmProperties {
  std::string name;
  VmUuid uuid;
  WantedState wanted = WantedState::Stopped;
  VmState state = VmState::Unknown;
  NodeName node;
  NodeName home;
  std::string failed_reason;
  std::string profile;
  bool migrated = false;
  bool autostart = false;
  std::uint64_t memory = 0;
  Generation generation = 0;
  std::uint32_t vcpus = 0;
  std::int32_t priority = 0;
  std::vector<Disk> disks;
  std::vector<NodeName> node_limit;
  std::vector<std::string> tags;
};

struct JobProperties {
  std::uint32_t id = 0;
  std::string type;
  JobState state = JobState::Queued;
  JobResult result = JobResult::None;
  std::string message;
  NodeName started_on;
  std::string object_path;
  std::uint64_t start_time = 0;
  std::uint32_t started_by_uid = 0;
};

// ------------------------------------------------------------------------------------------------------------
// derivation

// When this observer saw a heartbeat counter move, on its own clock; and what the node said of itself last.
struct Sighting {
  Incarnation incarnation = 0;
  std::uint64_t counter = 0;
  Instant moved_at = 0;  // or when the observer began to look
  DaemonState last_state = DaemonState::Init;
};

class Sightings {
 public:
  void look(const logic::ClusterView&, Instant now);
  const Sighting* of(const NodeName&) const;  // nullptr: no such node at the last look
  Microseconds age(const NodeName&, Instant now) const;

 private:
  std::map<NodeName, Sighting> nodes_;
};

// Sums over all VMs, made once for all nodes.
struct NodeTotals {
  std::uint64_t memory_allocated = 0;
  std::uint64_t memory_provisioned = 0;
  std::uint32_t vcpus_allocated = 0;
  std::uint32_t running_vms = 0;
};
std::map<NodeName, NodeTotals> node_totals(const logic::ClusterView&);

ManagerProperties derive_manager(const logic::ClusterView&, const NodeName& self, bool connected, Microseconds own_age);
NodeProperties derive_node(const logic::ClusterView&, const NodeRecord&, const NodeTotals&, bool coordinator,
                           DaemonState last_state);
VmProperties derive_vm(const logic::ClusterView&, const VmRecord&, const logic::UnitNeeds&);
JobProperties derive_job(const logic::ClusterView&, std::uint64_t id, const JobRecord&, const logic::UnitNeeds&);

// ----------------------------------------------------------------------------------------------------- names on the
// bus

const char* text_of(DaemonState);
const char* text_of(CoordinatorState);
const char* text_of(WantedState);
const char* text_of(VmState);
const char* text_of(DiskKind);
const char* text_of(JobState);
const char* text_of(JobResult);

// ---------------------------------------------------------------------------------------------------------------
// changes

// A property that emits PropertiesChanged; a unit test compares these tables with the XML.
template <class Properties>
struct Property {
  const char* name;
  bool (*same)(const Properties&, const Properties&);
};
std::span<const Property<ManagerProperties>> changing(const ManagerProperties&);
std::span<const Property<NodeProperties>> changing(const NodeProperties&);
std::span<const Property<VmProperties>> changing(const VmProperties&);
std::span<const Property<JobProperties>> changing(const JobProperties&);
std::span<const Property<OsdFacts>> changing(const OsdFacts&);  // shown as they are

template <class Properties>
std::vector<std::string> changed(const Properties& before, const Properties& after) {
  std::vector<std::string> names;
  for (const Property<Properties>& property : changing(after))
    if (!property.same(before, after)) names.push_back(property.name);
  return names;
}

}  // namespace pvcd::core
