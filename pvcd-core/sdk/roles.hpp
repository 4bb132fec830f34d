// The roles a plugin can fill. Each is a small abstract class whose calls come on the plugin's own thread (those of a
// Fencer on several) and may block; the core sees an absent, hung or timed-out plugin as the Unknown of the answer.
// Every request has a Permit: the host looks at it when the plugin takes the request up, and who acts looks again just
// before the act.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd {

// The right to act has a time limit that the worker itself can check (safety rule 5): CLOCK_BOOTTIME of this machine.
// What only looks, stops what runs here or gives something up needs no right: its limit is that of the core's waiting.
struct Permit {
  Instant not_after = 0;
  Epoch epoch = 0;
};

// Result of an act. Unknown: it may or may not have happened.
enum class Outcome { Unknown, Done, Refused };
struct Answer {
  Outcome outcome = Outcome::Unknown;
  std::string note;  // a sentence for people; why, if not Done
};

// ------------------------------------------------------------------------------------------------------------
// Hypervisor

enum class DomainState { Unknown, Gone, Running, Paused };

// Unknown with a process: it lives, and nobody says whether its CPUs run. Unknown without: it may live.
struct DomainProbe {
  DomainState state = DomainState::Unknown;
  std::optional<Process> process;
  std::string note;
};
struct ProbeRequest {
  Permit permit;
  VmUuid uuid;
  std::vector<Process> recorded;  // earlier processes of it: all must be gone for Gone (safety rule 3)
};
struct CreateRequest {
  Permit permit;
  VmUuid uuid;
  std::string xml;
  Generation generation = 0;
};
struct CreateAnswer {
  Outcome outcome = Outcome::Unknown;
  std::optional<Process> process;
  std::string note;
};
struct DomainRequest {
  Permit permit;
  VmUuid uuid;
  Process process;  // the exact victim or beneficiary
};

// An RBD image that a running domain has open, whoever gave it to it. The number rises when it is plugged in again: its
// QEMU is another client of Ceph then.
struct PluggedImage {
  std::string image;
  std::uint64_t number = 0;
  bool operator==(const PluggedImage&) const = default;
};

// Facts it reports: key "domain/<uuid>", value "running", "paused" or "gone" whenever one changes; "domains" = "ready"
// once the first full list has been reported; "images/<uuid>" (sdk/plugged.hpp) when libvirt is found to run a domain
// and when something is plugged into one, empty when it is gone.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  virtual DomainProbe probe(const ProbeRequest&) = 0;     // by processes, whatever libvirt says
  virtual CreateAnswer create(const CreateRequest&) = 0;  // transient and paused
  virtual Answer resume(const DomainRequest&) = 0;        // CPUs run
  virtual Answer shutdown(const DomainRequest&) = 0;      // asks the guest; returns at once
  virtual Answer destroy(const DomainRequest&) = 0;       // Done only when the process is gone by pidfd
};

// ----------------------------------------------------------------------------------------------------------
// PreStartHook

enum class Verdict { Unknown, Proceed, Refuse, Wait };

struct HookVerdict {
  Verdict verdict = Verdict::Unknown;
  std::string reason;     // names image, owner and watcher
  Microseconds wait = 0;  // Wait: ask again not before this long from now
  // Wait: on what (image and instance). The core remembers when it first heard of each, until a verdict of this hook
  // does not name it (safety rule 6).
  std::vector<std::string> wait_for;
  NodeName ask;            // Refuse: this living node's dead instance is in the way; ask it to release (safety rule 7)
  bool elsewhere = false;  // Refuse: for what this host lacks; another one may do
  std::vector<ClientInstance>
      present;  // Proceed: instances still listed (proven dead), not to be taken for the new QEMU's
  std::vector<FileSystem> file_systems;  // Proceed: what its shared files were seen on
};

// First sight of something a hook waits for, kept by the core over retries and restarts of the plugin and its own.
struct FirstSeen {
  std::string wait_for;
  Microseconds ago = 0;
};

struct VmStart {
  Permit permit;
  VmUuid uuid;
  Generation generation = 0;
  std::vector<Disk> disks;
  Life self;                               // this node, this boot
  std::vector<std::string> own_addresses;  // this node's storage addresses
  std::vector<ClientInstance> own_dead;    // recorded instances of this node whose process is gone or boot is older
  std::vector<Writer> covered;             // former writers, each with its cover; foreign locks only of these may go
  std::map<NodeName, std::vector<std::string>> living;  // storage addresses of living nodes, to name an owner
  std::vector<FirstSeen> first_seen;
  // What its shared files were on at its last start. Of a VM with a file that none has seen yet: those of all VMs.
  std::vector<FileSystem> file_systems;
};

struct ImagesRequest {
  Permit permit;
  std::vector<Disk> disks;
  std::vector<ClientInstance> present;  // listed before create, so not the new QEMU's
  std::vector<std::string> own_addresses;
  bool just_created = false;  // its QEMU may need a moment until it watches its images
};
struct Identified {
  Outcome outcome = Outcome::Unknown;  // Done: every RBD disk has its instance
  std::vector<ClientInstance> instances;
  std::string note;
};
struct VmStopped {
  Permit permit;
  VmUuid uuid;
  std::vector<Disk> disks;
  std::vector<ClientInstance> own_dead;  // break these, also when no lock is listed
  std::vector<std::string> own_addresses;
};

class PreStartHook {
 public:
  virtual ~PreStartHook() = default;
  virtual HookVerdict before_start(const VmStart&) = 0;
  // The client instances of a QEMU, from the watchers of its images: just created, or with a disk plugged in.
  virtual Identified identify(const ImagesRequest&) = 0;
  virtual Answer after_stop(const VmStopped&) = 0;  // Done: nothing of ours is left that could write
};

// ----------------------------------------------------------------------------------------------------------------
// Fencer

enum class PowerState { Unknown, On, Off };
enum class PowerAct { Off, On, Reset };

struct PowerReading {
  PowerState state = PowerState::Unknown;
  std::string guid;  // of the BMC, canonical lower-case UUID; empty: not readable, or not asked for
  std::string note;
};
struct PowerRequest {
  Permit permit;
  NodeName node;
  Life victim;  // whom the act is meant for: an off cannot name a boot, a BMC's mark does once its host has marked it
  std::string system_uuid;  // the act is refused when the BMC is another machine's (safety rule 16)
  PowerAct act = PowerAct::Off;
};
struct ReadRequest {
  Permit permit;
  NodeName node;
  BootId boot;  // what the reading is about: a BMC that shows another boot's mark tells nothing of this one
  std::string system_uuid;
};

// So many are under way at the same time: more BMCs than that must hang before one that answers has to wait.
inline constexpr std::size_t fencer_calls_at_once = 32;

// Calls about one node come one after the other, calls about different nodes at the same time, on threads that are not
// the plugin's own, between start and stop: a BMC that hangs must delay no other.
class Fencer {
 public:
  virtual ~Fencer() = default;
  virtual PowerReading read(const ReadRequest&) = 0;  // state Unknown and a note when it is not the node's BMC
  virtual Answer power(const PowerRequest&) = 0;      // Done: the BMC accepted it. That is not proof: read() is.
};

// --------------------------------------------------------------------------------------------------------------
// StorageFencer

// Takes the disks away from a host that nobody can switch off (evidence kind 4 of the safety rules). The victim is who
// was recorded as the owner, by its recorded addresses; who watches an image now says nothing of who may write.
struct StorageFenceRequest {
  Permit permit;
  Life victim;
  std::vector<std::string> addresses;     // of all Ceph clients of that host
  std::vector<ClientInstance> instances;  // that are recorded, beside the addresses: these entries stay for ever
  std::vector<std::string> images;
};
struct StorageFenced {
  Outcome outcome = Outcome::Unknown;  // Done: of each image; Refused: nothing was done
  std::vector<std::string> images;     // no client of that host can write to them any more, and every OSD knows it
  std::vector<std::string> facts;      // what was done and seen, in sentences for people
  std::string note;                    // why, if not Done
};
class StorageFencer {
 public:
  virtual ~StorageFencer() = default;
  virtual StorageFenced fence_storage(const StorageFenceRequest&) = 0;
};

// --------------------------------------------------------------------------------------------------------------
// RoleHook

// Of the role at the permit's epoch. A takeover that comes late, or after that of a newer epoch, does not reach the
// plugin. Relinquish is also said when the role was lost: to another node, or because this one cannot prove any more
// that it may act. A takeover can follow a takeover, and a relinquish can come without one (the core was restarted).
// Before it acts a hook looks again with pvcd::holds() (sdk/permit.hpp); Host::holds() is about the epochs of acts.
struct RoleChange {
  Permit permit;
  CoordinatorState state = CoordinatorState::Takeover;  // Takeover or Relinquish
};
class RoleHook {
 public:
  virtual ~RoleHook() = default;
  virtual Answer role_change(const RoleChange&) = 0;  // Done acknowledges
};

// ---------------------------------------------------------------------------------------------------------------
// Elector

// Carries out what the core decided about leadership, in one transaction with its checks (safety rules 10 and 14).
struct ClaimRequest {
  Permit permit;
  Life self;
  Version leader_version =
      any_version;            // of the leadership record the decision was made on; any_version: there is none
  LeaderRecord expected;      // its content
  bool holder_stale = false;  // the holder lives but its published core age is past twice the limit
};
struct VacateRequest {
  Permit permit;  // of the epoch that is given up
  Life self;
};
class Elector {
 public:
  virtual ~Elector() = default;
  virtual Answer claim(const ClaimRequest&) = 0;  // Refused: somebody else was faster or the holder lives
  virtual Answer vacate(const VacateRequest&) = 0;
};

// -----------------------------------------------------------------------------------------------------------------
// StorageObserver

// Asked by the primary's core, at its own pace: nobody else loads Ceph for figures.
struct ObserveRequest {
  Permit permit;
};

// Done: the list of OSDs is known. What else no answer has said is absent, and the note says which command failed, and
// why. Unknown: not even the list is known, and nothing else is given.
struct StorageSurvey {
  Outcome outcome = Outcome::Unknown;
  std::string note;
  std::vector<OsdFacts> osds;  // by rising id
  std::vector<PoolFacts> pools;
  HealthFacts health;
};

// What comes of an answer is bounded, whatever the cluster says.
inline constexpr std::size_t osds_max = 4096;
inline constexpr std::size_t pools_max = 1024;
inline constexpr std::size_t health_checks_max = 64;

class StorageObserver {
 public:
  virtual ~StorageObserver() = default;
  virtual StorageSurvey observe(const ObserveRequest&) = 0;  // blocks; looks, and changes nothing
};

}  // namespace pvcd
