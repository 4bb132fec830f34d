// What the cluster store remembers, as plain values. Each struct is one kind of entry; its path is in store/paths.hpp,
// its text form in store/codec.hpp. All state that decides about data is here, so that a decision is a function of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd {

// A process named so that a reused pid is not mistaken for it: start_time is field 22 of /proc/<pid>/stat.
struct Process {
  std::int64_t pid = 0;
  std::uint64_t start_time = 0;
  bool operator==(const Process&) const = default;
};

// One Ceph client instance that has an image open. QEMU has one per disk (safety rule 17): address and nonce name it,
// cookies change when it re-watches.
struct ClientInstance {
  std::string image;    // pool/image or pool/namespace/image
  std::string address;  // canonical "ip:port/nonce", IPv6 in brackets
  bool operator==(const ClientInstance&) const = default;
};

// ----------------------------------------------------------------------------------------------------------------
// nodes

enum class DaemonState { Unknown, Init, Run, Shutdown, Left, Stop, Dead, Fenced };
// It has left in order, with or without VMs that run on.
inline bool is_leaving(DaemonState word) { return word == DaemonState::Left || word == DaemonState::Stop; }

enum class CoordinatorState { Unknown, Client, Secondary, Takeover, Primary, Relinquish };

// Written by the node's keepalive when it joins; survives the node.
struct NodeRecord {
  NodeName name;
  std::string machine_id;
  std::string system_uuid;  // DMI product UUID or the configured one; what the BMC's GUID must equal
  BootId boot;
  Incarnation incarnation = 0;
  std::vector<std::string> addresses;
  std::vector<std::string> storage_addresses;  // what its Ceph clients are seen as; never a floating one
  std::vector<std::string> floating_addresses;
  std::uint32_t cpu_count = 0;
  std::uint64_t memory_total = 0;  // bytes
  bool operator==(const NodeRecord&) const = default;
};

// What a unit last said about itself, with its age when the keepalive published it.
struct UnitReport {
  std::string state;  // starting running shutdown stalled
  Microseconds age = 0;
  std::string note;
  bool operator==(const UnitReport&) const = default;
};

// Of a node with [self_fence] mode = "watchdog". While it says armed, a watchdog is, that cuts the host when its proof
// is too old: the words change to "not armed" before the device does.
struct SelfFence {
  bool armed = false;
  Microseconds after = 0;             // D: it is petted only while the proof, counted from when it was sent, is younger
  Microseconds watchdog_timeout = 0;  // W: the longest that the host may live after the last pet that D permits
  std::string note;                   // why it is not armed
  bool operator==(const SelfFence&) const = default;
};

// The heartbeat: rewritten every T/6 by the keepalive. The entry is persistent, its ephemeral child is the session
// (safety rules 8 and 14); observers judge by `counter` on their own clock.
struct LiveRecord {
  NodeName node;
  BootId boot;
  Incarnation incarnation = 0;
  std::uint64_t counter = 0;
  DaemonState daemon_state = DaemonState::Init;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_free = 0;
  double cpu_load = 0;
  std::map<std::string, UnitReport> units;  // unit name without "pvcd-"; the core is "core"
  std::optional<SelfFence> self_fence;      // absent: it does not fence itself
  std::string may_sleep;                    // why the host may be suspended or hibernated; empty: it cannot
  bool operator==(const LiveRecord&) const = default;
};

// Written by the primary after it asked the node's BMC (FenceReady, FenceNote); of one boot.
struct ReadinessRecord {
  BootId boot;
  bool fence_ready = false;
  std::string note;
  bool operator==(const ReadinessRecord&) const = default;
};

// ------------------------------------------------------------------------------------------------------------
// leadership

// Counts only while the holder's incarnation is alive. `node` empty: vacant, the epoch is kept.
struct LeaderRecord {
  Epoch epoch = 0;
  NodeName node;
  Incarnation incarnation = 0;
  bool operator==(const LeaderRecord&) const = default;
};

struct RoleRecord {
  CoordinatorState state = CoordinatorState::Secondary;
  Epoch epoch = 0;
  bool operator==(const RoleRecord&) const = default;
};

// ------------------------------------------------------------------------------------------------------------------
// VMs

enum class WantedState { Stopped, Running, Disabled };
enum class VmState { Unknown, Stopped, Starting, Running, Paused, Stopping, Migrating, Recovering, Failed };

enum class DiskKind { Rbd, Shared, Local };
struct Disk {
  std::string target;  // vda
  DiskKind kind = DiskKind::Local;
  std::string source;  // pool/image or path
  bool operator==(const Disk&) const = default;
};

// Which file system a host has seen a shared file on (safety rule 12). By file, because directories are configured
// anew.
struct FileSystem {
  std::string path;
  std::string identity;
  bool operator==(const FileSystem&) const = default;
};

// What people want of a VM; changed by requests only.
struct VmRecord {
  VmUuid uuid;
  std::string name;
  std::string xml;  // libvirt domain XML as given
  WantedState wanted = WantedState::Stopped;
  bool off_at_once = false;  // when it is to stop: without asking the guest
  NodeName home;
  std::vector<NodeName> node_limit;  // empty: any
  std::int32_t priority = 0;         // higher starts first
  std::uint64_t memory = 0;          // bytes, from the XML
  std::uint32_t vcpus = 0;
  std::vector<Disk> disks;
  std::vector<std::string> tags;
  std::string profile;
  bool autostart = false;
  bool operator==(const VmRecord&) const = default;
};

// Why a former possible writer cannot write any more.
enum class CoverKind { None, Release, Power, LaterBoot, Operator, Storage, Watchdog };

// A node that was assigned the VM at some generation: it may have written, started or not (design: possible writers).
struct Writer {
  Life life;
  Generation generation = 0;
  std::vector<std::string> storage_addresses;
  std::vector<ClientInstance> instances;  // that its QEMU was recorded with
  CoverKind cover = CoverKind::None;
  bool operator==(const Writer&) const = default;
};

// Who owns the VM. The owner is a possible writer from the moment this is committed. `released` is written only by the
// owning boot, after its QEMU is gone by pidfd and its instances are broken (safety rule 7).
struct OwnerRecord {
  Generation generation = 0;
  Life owner;
  std::vector<std::string> storage_addresses;
  bool released = false;
  Epoch epoch = 0;             // of the primary that assigned this generation
  std::vector<Writer> former;  // every one covered; kept until this generation has run, because their locks may remain
  std::vector<NodeName> failed_on;  // gave it back, because they could not create it; tried last (logic/placement.hpp)
  bool operator==(const OwnerRecord&) const = default;
};

// What the owning node did with it; written by that node only.
struct RunRecord {
  Generation generation = 0;
  Life life;
  VmState state = VmState::Unknown;
  std::optional<Process> process;
  std::vector<ClientInstance> instances;  // all that were recorded and not yet seen gone
  std::string reason;                     // why it does not run as wanted; empty if it does
  std::uint64_t attempt = 0;  // counts answers to start requests, so that a job can tell a new refusal from an old one
  std::vector<FileSystem> file_systems;  // of its shared disks at its last start, wherever that was
  bool operator==(const RunRecord&) const = default;
};

// Why a VM that is wanted has no node; written by the primary when the text changes.
struct WaitingRecord {
  std::string reason;
  bool operator==(const WaitingRecord&) const = default;
};

// --------------------------------------------------------------------------------------------------------------
// evidence

enum class EvidenceKind { Power, LaterBoot, Operator, Storage, Watchdog };

// Proof that one boot of one node can no longer write. Committed only in a transaction that fails if that boot shows
// life.
struct EvidenceRecord {
  EvidenceKind kind = EvidenceKind::Power;
  Life life;  // whose end it proves; the boot is the key
  NodeName observer;
  Epoch epoch = 0;
  std::vector<std::string> facts;   // what was seen, in order, in sentences for people
  std::vector<std::string> images;  // Storage: of these, and of nothing else, it proves that; the others: of everything
  bool operator==(const EvidenceRecord&) const = default;
};

// One link of the chain that proves that a VM had one writer at a time: who became its owner and on what strength, who
// started it, who gave it up. Written in the transaction that made it so, and kept when owners and evidence have moved
// on. Nothing is ever decided from it: it is for those who check afterwards (audit/history.hpp).
enum class LinkKind { Assigned, Readopted, Started, Released };

// Of Assigned: from whom it was taken, and what proved that this one could not write any more.
struct Handover {
  Life from;
  Generation generation = 0;
  CoverKind cover = CoverKind::None;
  std::optional<EvidenceRecord> evidence;  // a copy; absent when the cover is a release, which has its own link
  bool operator==(const Handover&) const = default;
};

struct LinkRecord {
  LinkKind kind = LinkKind::Assigned;
  Generation generation = 0;
  Life life;                         // of the owner
  Epoch epoch = 0;                   // of the primary that assigned this generation
  std::optional<Process> process;    // Started
  std::optional<Handover> handover;  // Assigned, from the second time on
  bool operator==(const LinkRecord&) const = default;
};

// Intent: written, nothing sent yet; a join cancels it. Acting: off may have been sent; a join of the same boot waits.
enum class FencePhase { Intent, Acting, Confirmed };

// One per victim; names boot and incarnation, because a fence ends when its reason ends (safety rule 4).
struct FenceRecord {
  Life victim;
  FencePhase phase = FencePhase::Intent;
  NodeName by;
  Epoch epoch = 0;
  std::uint64_t attempt = 0;
  std::string reason;
  std::string note;  // outcome of the last attempt
  bool operator==(const FenceRecord&) const = default;
};

// ------------------------------------------------------------------------------------------------------------------
// jobs

enum class JobState { Queued, Running, Finished };
enum class JobResult { None, Done, Failed, Canceled, Timeout, Skipped, Refused };

// A request of a person. Written by the node that was asked, executed by the primary or by `executor`.
struct JobRecord {
  std::uint64_t id = 0;  // the store's sequence number
  std::string type;      // vm-start, node-fence, ...: logic/jobs.hpp has the table
  std::string object;    // VM uuid or node name
  std::map<std::string, std::string> arguments;
  NodeName started_on;
  std::uint32_t started_by_uid = 0;
  JobState state = JobState::Queued;
  JobResult result = JobResult::None;
  std::string message;
  std::uint64_t mark = 0;        // RunRecord.attempt when the primary took the job up
  std::uint64_t start_time = 0;  // wall clock, microseconds; shown to people, never compared
  bool operator==(const JobRecord&) const = default;
};

// Why something was done (S7), written in the transaction that did it. For people; nothing is ever decided from it.
struct DecisionRecord {
  std::string what;                    // "assign web1 to n2 at generation 3"
  std::string because;                 // one sentence
  std::vector<std::string> evidence;   // what makes it safe, in order
  std::vector<std::string> rejected;   // alternatives and why not
  std::string object;                  // "vm/<uuid>", "node/<name>" or empty
  std::vector<std::string> inputs;     // "/owners/<uuid>@7": the entries and versions that it was decided on
  std::vector<std::string> follow_up;  // jobs that come of it: "node-release-images n2"
  Epoch epoch = 0;
  NodeName node;           // that decided
  std::uint64_t time = 0;  // wall clock, microseconds; shown to people, never compared
  bool operator==(const DecisionRecord&) const = default;
};

// ------------------------------------------------------------------------------------------------------------
// storage

// One OSD of the Ceph cluster. What no answer of Ceph's has said is absent, or an empty text, and never 0.
struct OsdFacts {
  std::uint32_t id = 0;
  std::string uuid;
  std::string node;          // the host that the CRUSH map places it on
  std::string device_class;  // hdd, ssd, nvme
  std::string state;         // "exists,up": as Ceph says it
  std::optional<bool> up;
  std::optional<bool> in;
  std::optional<double> primary_affinity;  // 0 to 1
  std::optional<double> crush_weight;
  std::optional<double> reweight;     // 0 to 1
  std::optional<double> utilization;  // 0 to 1
  std::optional<double> variance;     // its utilisation divided by the mean of all
  std::optional<std::uint32_t> pgs;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> read_ops;  // of clients, per second; so are the next three
  std::optional<std::uint64_t> write_ops;
  std::optional<std::uint64_t> read_bytes;
  std::optional<std::uint64_t> write_bytes;
  std::optional<Microseconds> commit_latency;
  std::optional<Microseconds> apply_latency;
  bool operator==(const OsdFacts&) const = default;
};

struct PoolFacts {
  std::uint32_t id = 0;
  std::string name;
  std::optional<std::uint64_t> stored_bytes;     // by clients
  std::optional<std::uint64_t> used_bytes;       // on disks, with all copies
  std::optional<std::uint64_t> available_bytes;  // for clients
  std::optional<std::uint64_t> objects;
  std::optional<double> used_fraction;    // 0 to 1
  std::optional<std::uint64_t> read_ops;  // of clients, per second; so are the next three
  std::optional<std::uint64_t> write_ops;
  std::optional<std::uint64_t> read_bytes;
  std::optional<std::uint64_t> write_bytes;
  bool operator==(const PoolFacts&) const = default;
};

struct HealthCheck {
  std::string name;      // OSD_DOWN
  std::string severity;  // HEALTH_WARN
  std::string sentence;
  bool operator==(const HealthCheck&) const = default;
};
struct HealthFacts {
  std::string status;  // HEALTH_OK, HEALTH_WARN, HEALTH_ERR; empty: not known
  std::vector<HealthCheck> checks;
  bool operator==(const HealthFacts&) const = default;
};

// What is shown of the storage cluster as a whole; written by the primary in each cycle, after the OSDs' pages.
struct StorageRecord {
  std::uint64_t cycle = 0;          // counts up with each write
  std::optional<Microseconds> age;  // of all figures, when this was written; absent: the primary does not know
  std::string note;                 // what is missing or old, and why; empty: nothing
  HealthFacts health;
  std::vector<PoolFacts> pools;
  bool operator==(const StorageRecord&) const = default;
};

// The OSDs of one range of ids. It has no number or age of its own, so that what did not change needs no write.
struct OsdPageRecord {
  std::vector<OsdFacts> osds;  // by rising id
  bool operator==(const OsdPageRecord&) const = default;
};

struct ClusterRecord {
  std::string id;  // random, made once; a store with another id is another cluster (safety rule 15)
  std::string name;
  bool maintenance = false;
  bool operator==(const ClusterRecord&) const = default;
};

// A node has seen more of this cluster than its store holds (safety rule 15). As long as one such word stands, nobody
// starts or fences; only an operator takes it back, because what is written meanwhile may hide what was lost.
struct WitnessRecord {
  Epoch epoch = 0;        // the highest that the node has seen
  std::string behind;     // in what the store is, with both values
  bool accepted = false;  // an operator has decided that the store as it is shall count
  bool operator==(const WitnessRecord&) const = default;
};

}  // namespace pvcd
