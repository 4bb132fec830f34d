// What a node does about VMs: start what it owns, stop what it should not run, release what it has stopped. One VM at a
// time is a small machine of steps; one act per VM is under way; every step is taken again from what is seen after a
// restart.
//
// The order of a start is the heart of the suite (design, section 6): probe by processes, hooks, create paused,
// identify the Ceph client instances, record them, run the CPUs, record running. Nothing but Proceed lets a step go on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "logic/decision.hpp"
#include "logic/view.hpp"
#include "sdk/roles.hpp"

namespace pvcd::logic {

struct AgentSettings {
  std::vector<std::string> hooks;                // in order
  Microseconds shutdown_timeout = seconds(180);  // guest asked to stop; then off
  Microseconds retry_min = seconds(1);
  Microseconds retry_max = seconds(60);
  Microseconds act_limit = seconds(10);      // of every permit: what a plugin is asked for begins within it or never
  bool needs_watchdog = false;               // no start before the store has it that one is armed
  Microseconds settled_after = seconds(60);  // a QEMU that ended earlier than this did not start well
  std::size_t starts_at_once = 8;            // the others wait for their turn
};

// So often libvirt may refuse to create a VM, or a hook for what this host lacks, before its host gives it back:
// another one may do it.
inline constexpr std::uint32_t failed_starts_max = 2;

// When all hosts that fit have been tried the one that has it is the last resort. There it is tried more often; then it
// has failed, people are told, and the hosts are tried from the beginning, not before the longest wait between two
// tries.
inline constexpr std::uint32_t failed_starts_last_max = 8;

// From the last check of a create's permit, in libvirt's hook, to its process in /proc.
inline constexpr Microseconds create_settles = seconds(5);

// ---------------------------------------------------------------------------------------------------- actions and
// answers

struct Probe {
  ProbeRequest request;
};
struct RunHook {
  std::string hook;
  VmStart request;
};
struct CreateDomain {
  CreateRequest request;
};
struct IdentifyInstances {
  std::string hook;
  ImagesRequest request;
};
struct ResumeDomain {
  DomainRequest request;
};
struct ShutdownDomain {
  DomainRequest request;
};
struct DestroyDomain {
  DomainRequest request;
};
struct AfterStop {
  std::string hook;
  VmStopped request;
};

// In one transaction: the owner record is still at owner_version, then the run record is written. With `owner` set it
// is written too (release, re-adoption).
struct WriteRun {
  RunRecord record;
  std::optional<Version> replaces;
  Version owner_version = 0;
  std::optional<OwnerRecord> owner;
  std::optional<LinkRecord> link;     // what it adds to the VM's history
  std::optional<Version> vm_version;  // a release: of the wish that it obeys, which may be over and look as it was
};
struct AskRelease {
  NodeName node;
  VmUuid vm;
};  // a job for that node: break your own dead instances of this VM's images
struct FinishJob {
  JobRecord record;
  Version version;
};

using AgentAct = std::variant<Probe, RunHook, CreateDomain, IdentifyInstances, ResumeDomain, ShutdownDomain,
                              DestroyDomain, AfterStop, WriteRun, AskRelease, FinishJob>;
struct AgentAction {
  VmUuid uuid;
  AgentAct act;
  Decision why;
};

// Exactly one for each action but AskRelease, in the type that fits it; Unknown where nothing is known.
struct Written {
  bool ok = false;
  std::string note;
};
using AgentResult = std::variant<DomainProbe, HookVerdict, CreateAnswer, Identified, Answer, Written>;
struct AgentAnswer {
  VmUuid uuid;
  AgentResult result;
};

// ------------------------------------------------------------------------------------------------------------------
// memory

enum class Step {
  Look,  // nothing is known yet: probe by processes
  Idle,  // looked; nothing runs here
  Hooks,
  Create,
  Identify,
  RecordStart,
  Resume,
  RecordRunning,
  RecordRefusal,
  RecordTurn,  // it waits for its turn
  Running,
  IdentifyPlugged,  // an image that was plugged into it while it runs
  RecordPlugged,
  AskShutdown,
  AwaitShutdown,
  Destroy,
  BreakInstances,
  RecordRelease,
  Readopt,
  Report,  // to the node that asked for a release
};

// What this node has to do about a VM now; told by the records, and GiveBack by what libvirt has refused.
enum class Goal {
  Nothing,
  Run,           // owned and wanted
  Stop,          // owned, not wanted: stop, then release
  GiveBack,      // owned and wanted, and cannot be created here: release it, so that it is placed anew
  DestroyStale,  // this boot was taken for over, with evidence: what still runs here is of the past (no merging)
  HelpRelease,   // another node's start waits for a dead instance of ours
};

// What the view has to show before these records are read again: the mirror lags behind the own writes.
struct OwnWrite {
  std::optional<Version> run;    // version that it replaced; absent: it was created
  std::optional<Version> owner;  // version that it replaced, if it was written too
  Instant limit = 0;             // then it was overwritten or removed by others
};

// When something that a hook waits for was first heard of, without a verdict in between that did not name it.
using FirstSights = std::map<std::string, Instant>;

struct VmMemory {
  Step step = Step::Look;
  Goal goal = Goal::Nothing;  // that the step is taken for
  bool under_way = false;
  Generation generation = 0;  // the steps are about this one
  std::size_t hook = 0;
  std::optional<Process> process;  // found or created here
  DomainState domain = DomainState::Unknown;
  std::vector<ClientInstance> present;     // listed before create
  std::vector<std::string> proceeded;      // why each hook let it start: what it found at the images, and removed
  std::vector<ClientInstance> instances;   // of the new QEMU
  std::vector<ClientInstance> unrecorded;  // identified, and not known to be on record
  std::optional<Instant> doubted_at;       // when a fact that says gone was last held against the processes
  Instant looked_at = 0;                   // when the last probe was asked for
  std::optional<Instant> create_ends_at;   // an unanswered create may still happen until then (safety rule 7)
  Instant former_create_ends_at = 0;       // of the process before this one, which may have asked for one
  Instant not_before = 0;
  std::uint32_t failures = 0;
  std::optional<Instant> shutdown_asked;  // for the first time
  std::optional<Instant> shutdown_again;  // when the guest is asked again; absent: it has been
  std::optional<Instant> running_since;
  std::uint32_t crashes = 0;  // in a row, each before it had settled
  std::optional<OwnWrite> own_write;
  std::map<std::string, FirstSights> first_seen;  // by hook (safety rule 6)
  std::string note;                               // of the last probe
  std::string reason;                             // of the last refusal
  NodeName ask;                                   // whose dead instance it named
  bool refused = false;                           // what Report says
  std::optional<std::uint64_t> answered_job;      // the last one that Report was about
  std::size_t releases_seen = 0;    // finished release jobs of this VM: a new one is a reason to try at once
  std::uint32_t failed_starts = 0;  // in a row, of this generation: refused by libvirt, or for what this host lacks
  std::string gives_back;           // why it is given back; empty: it is not
  bool waits_for_turn = false;      // since its last look
  std::vector<FileSystem> file_systems;  // what the hooks have seen its shared files on
  std::vector<PluggedImage> plugged;     // into this QEMU, and dealt with
  std::vector<PluggedImage> plugging;    // being dealt with
  std::uint32_t plugged_tries = 0;       // of these
  Instant plugged_not_before = 0;
};

struct AgentMemory {
  std::optional<Instant> began;  // the first round of this process
  std::map<VmUuid, VmMemory> vms;
};

struct AgentInput {
  const ClusterView& view;
  Life self;
  std::vector<std::string> storage_addresses;
  bool may_act = false;                   // proof of the own session is young and nothing declared this boot dead (S5)
  bool stopping = false;                  // the daemon leaves: VMs run on, nothing new is begun
  std::map<VmUuid, DomainState> domains;  // facts from the hypervisor
  bool domains_ready = false;             // its first full list has arrived
  std::map<VmUuid, std::vector<PluggedImage>> images;  // of those that it was told of
  Instant now = 0;
  std::vector<AgentAnswer> answers;
};

struct AgentPlan {
  AgentMemory next;
  std::vector<AgentAction> actions;
};

AgentPlan decide_agent(const AgentInput&, const AgentSettings&, const AgentMemory&);

}  // namespace pvcd::logic
