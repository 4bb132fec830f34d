// What the primary (and, for the primary itself, any coordinator) does for the cluster: fence what is lost, keep
// evidence, assign VMs, carry out jobs. One pure round: (what is seen, what I remember, what came back, now) -> (what I
// remember next, actions). Run after every change, every 250 ms and at next_due(); losing a round loses nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "logic/decision.hpp"
#include "logic/liveness.hpp"
#include "logic/units.hpp"
#include "sdk/roles.hpp"

namespace pvcd::logic {

inline constexpr Microseconds finished_job_shown = seconds(60);  // in the store as on the bus

struct CoordinatorSettings {
  std::vector<NodeName> coordinators;
  Microseconds suspect_after = milliseconds(2500);
  Microseconds off_confirm_gap =
      seconds(1);  // between two reads that say off before anything is sent to a suspect (rule 9)
  Microseconds read_interval = milliseconds(250);  // between power reads of a suspect or fenced node
  Microseconds hurry = seconds(60);  // of a silence; who is silent longer and reads on is read only now and then
  Microseconds calm_read_interval = seconds(5);
  Microseconds silent_read_wait = seconds(2);  // up to so long a BMC that gave no answer is left alone
  Microseconds fence_deadline = seconds(30);   // one attempt: off sent until a read says off
  std::string storage_fencer;             // plugin of this node that takes the disks away; empty: taken for granted
  std::uint32_t bmc_failures_enough = 2;  // reads and offs without an answer, before the disks are taken away instead
  Microseconds retry_min = seconds(1);
  Microseconds retry_max = seconds(60);
  Microseconds readiness_interval = seconds(60);
  Microseconds finished_job_kept = finished_job_shown;
  std::size_t fences_at_once = 8;                    // storm brake: more hosts that read on wait for their turn
  UnitNeeds needs;                                   // of a node that is to run VMs
  Microseconds shutdown_timeout = seconds(180);      // that agents give a guest; jobs wait longer
  Microseconds waiting_told_interval = seconds(10);  // between two changes of the reason why one VM waits
  std::size_t waiting_told_at_once = 32;             // such writes in one round
  Microseconds storm_window = seconds(6);  // nodes that fall silent within it vanished together: a session timeout
  Microseconds return_wait =
      seconds(12);  // in which what lost the store, or boots after an off, comes back: two of them
};

// ---------------------------------------------------------------------------------------------------- actions and
// answers Each names the record versions it was decided on; the store refuses it when they moved. `key` is unique among
// what is under way; it comes back in Done exactly once, whatever happens.

struct ReadPower {
  std::string key;
  NodeName node;
  BootId boot;
  std::string system_uuid;
  bool routine = false;  // about a node that lives: whoever is suspected or fenced goes first
};
// It may have to wait for its turn; still_holds() is asked just before it is sent.
struct PowerOff {
  std::string key;
  Life victim;
  std::string system_uuid;
  Epoch epoch = 0;
  Version fence_version = 0;
  std::optional<std::uint64_t> live_counter;  // absent: asked for by a person, whether it shows life or not
};

// As PowerOff, for the disks of a host whose BMC gives no answer.
struct FenceStorage {
  std::string key;
  Life victim;
  std::vector<std::string> addresses;
  std::vector<ClientInstance> instances;
  std::vector<std::string> images;
  Epoch epoch = 0;
  Version fence_version = 0;
  std::uint64_t live_counter = 0;
};

struct PutFence {
  std::string key;
  FenceRecord record;
  std::optional<Version> replaces;
  Version node_version;
};
struct DropFence {
  std::string key;
  NodeName node;
  Version version;
};

// Commits evidence against life (rule 13): fails if the boot shows life. Power: its live entry has not changed since
// live_version was seen before the first read, and its session is removed with it. Others: there is no session.
struct CommitEvidence {
  std::string key;
  EvidenceRecord record;
  std::optional<Version> live_version;   // Power, of the victim's live entry; absent: it had none
  bool session = false;                  // its session child was listed
  std::optional<Version> fence_version;  // the fence record that becomes Confirmed with it
  std::optional<FenceRecord> fence;
  Version node_version = 0;         // its node record: a join in between makes this fail
  std::optional<Version> replaces;  // Storage evidence, by one that proves more
};
struct DropEvidence {
  std::string key;
  BootId boot;
  Version version;
};

struct AssignVm {
  std::string key;
  VmUuid uuid;
  OwnerRecord record;
  std::optional<Version> replaces;
  Version vm_version;
  std::vector<BootId> relies_on;  // evidence entries that must exist when it is committed
  std::optional<Handover> handover;
};
// Why a VM that is wanted has no node, for every node to show.
struct TellWaiting {
  std::string key;
  VmUuid uuid;
  std::optional<WaitingRecord> record;  // absent: it does not wait any more
  std::optional<Version> replaces;
};
// A wish, only while its job is as it was seen: one that is over may still look open, with the wish of a newer one in
// view already.
struct UpdateVm {
  std::string key;
  VmRecord record;
  Version version;
  std::uint64_t job;
  Version job_version;
};
struct RemoveVm {
  std::string key;
  VmRecord record;
  Version version;
  std::optional<Version> owner_version;
  std::optional<Version> run_version;
};

struct UpdateJob {
  std::string key;
  JobRecord record;
  Version version;
};
struct RemoveJob {
  std::string key;
  std::uint64_t id;
  Version version;
};
struct PutReadiness {
  std::string key;
  NodeName node;
  ReadinessRecord record;
  std::optional<Version> replaces;
};
struct GiveUpRole {
  std::string key;
  std::string reason;
};

using CoordinatorAct =
    std::variant<ReadPower, PowerOff, FenceStorage, PutFence, DropFence, CommitEvidence, DropEvidence, AssignVm,
                 TellWaiting, UpdateVm, RemoveVm, UpdateJob, RemoveJob, PutReadiness, GiveUpRole>;
struct CoordinatorAction {
  CoordinatorAct act;
  Decision why;
};

const std::string& key_of(const CoordinatorAct&);

// What came back since the last round.
struct PowerRead {
  NodeName node;
  BootId boot;  // whose BMC it was asked to be: of another boot it says nothing
  PowerReading reading;
  Instant asked_at = 0;  // of the plugin, not of the queue before it
};
struct PowerActed {
  Life victim;
  Answer answer;
  Instant asked_at = 0;  // when it was decided
  Instant at = 0;        // when the answer came
};
struct StorageActed {
  Life victim;
  StorageFenced answer;
  Instant asked_at = 0;  // when it was decided
};
struct Done {
  std::string key;
  Outcome outcome = Outcome::Unknown;  // Unknown: it may or may not have happened
};
using CoordinatorAnswer = std::variant<PowerRead, PowerActed, StorageActed, Done>;

// ------------------------------------------------------------------------------------------------------------------
// memory

// Taking the disks away from a victim whose BMC gives no answer.
struct StorageHistory {
  bool began = false;
  std::vector<std::string> images;  // proven to be out of its reach
  std::vector<std::string> facts;
  std::uint32_t failures = 0;
  Instant not_before = 0;  // back-off
  std::string note;        // why it is not proven
};

// About one victim while evidence is gathered. Thrown away when its reason ends.
struct PowerHistory {
  Life victim;
  Instant began = 0;                    // what was asked before is about an earlier sign of life
  std::optional<Instant> resumed;       // an off may have come to pass before that, and the host may be booting
  std::optional<Version> live_version;  // when gathering began: evidence fails if the counter moved since
  std::uint64_t live_counter = 0;
  std::optional<Instant> first_off;  // first of an unbroken row of reads that say off
  std::optional<Instant> latest_off;
  std::optional<Instant> off_accepted;  // our own off, as the BMC accepted it
  std::optional<Instant> attempt_began;
  std::optional<Instant> read_at;
  Instant next_read = 0;
  bool proven = false;                   // off was read after our own off, whatever is read of a later boot
  bool answers = false;                  // the last read said on or off, of the right BMC
  std::uint32_t silent_reads = 0;        // without an answer, in a row
  std::optional<Version> fence_version;  // of the fence record, as it was last seen to change
  Instant fence_changed = 0;
  std::uint32_t failures = 0;
  Instant not_before = 0;  // back-off
  std::string note;
  std::vector<std::string> facts;
  StorageHistory storage;
};

// About the readiness of one boot of a node.
struct ReadinessAsked {
  BootId boot;
  Instant at = 0;
  std::uint32_t failures = 0;  // in a row
};

struct CoordinatorMemory {
  Sights sights;
  std::map<NodeName, std::optional<Instant>> fell_silent;  // of each other node that was seen alive: since when not
  std::set<NodeName> in_storm;                             // of those, who vanished together with most others
  std::set<std::string> under_way;
  std::map<NodeName, PowerHistory> power;
  std::map<std::uint64_t, Instant> job_began;  // when it was first seen
  std::map<NodeName, ReadinessAsked> readiness_asked;
  std::map<std::uint64_t, Instant> job_finished;  // when it was first seen finished
  std::map<VmUuid, std::string> waiting;          // why a VM that is wanted has no node now
  std::map<VmUuid, Instant> waiting_told;         // when that was last written
  struct Promise {
    NodeName node;
    Generation generation = 0;
    Instant limit = 0;  // then it is judged anew, whether it was seen or not
  };
  std::map<VmUuid, Promise> assigning;  // under way, or done and not seen yet: their memory is promised (finding F24)
};

struct CoordinatorInput {
  const ClusterView& view;
  Life self;
  bool primary = false;  // this incarnation holds the leadership
  bool may_act = false;  // the proof of the own session is young enough (S5)
  Instant now = 0;
  std::vector<CoordinatorAnswer> answers;
  Heards heard = {};
};

struct CoordinatorPlan {
  CoordinatorMemory next;
  std::vector<CoordinatorAction> actions;
};

CoordinatorPlan decide_coordinator(const CoordinatorInput&, const CoordinatorSettings&, const CoordinatorMemory&);

// When a silent node may be found quiet or suspect, or is to be read again. Rounds that come later find it, too: this
// only makes them sooner.
std::optional<Instant> next_due(const CoordinatorMemory&, Instant now, const CoordinatorSettings&);

// Is the reason of an off still there, at the moment in which it is sent (rule 4)?
bool still_holds(const PowerOff&, const ClusterView&);
bool still_holds(const FenceStorage&, const ClusterView&);

}  // namespace pvcd::logic
