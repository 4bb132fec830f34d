// Requests of people, one step a round. A job changes what is wanted and then waits for it to come true; it never acts
// on a host itself, so a primary that dies half-way leaves nothing that the next one cannot carry on. Whatever changes
// something is done only while the job is on record as running: one that is still queued can be canceled.

#include "logic/jobs.hpp"

#include <algorithm>

#include "logic/evidence.hpp"
#include "logic/placement.hpp"
#include "logic/waiting.hpp"

namespace pvcd::logic {
namespace {

using SeenJob = std::pair<const std::uint64_t, Seen<JobRecord>>;

std::string job_key(std::uint64_t id) { return "job/" + std::to_string(id); }

void put_job(Round& round, const SeenJob& job, JobRecord record, const std::string& because) {
  record.id = job.first;
  round.plan(UpdateJob{job_key(job.first), record, job.second.version},
             {"job " + std::to_string(job.first) + " (" + record.type + ")", because, {}, {}});
}

void finish(Round& round, const SeenJob& job, JobResult result, const std::string& message) {
  JobRecord record = job.second.value;
  record.state = JobState::Finished;
  record.result = result;
  record.message = message;
  put_job(round, job, record, message);
}

bool is_queued(const SeenJob& job) { return job.second.value.state == JobState::Queued; }

std::string argument(const SeenJob& job, const std::string& key) {
  const auto found = job.second.value.arguments.find(key);
  return found == job.second.value.arguments.end() ? std::string() : found->second;
}

// `notes` are more arguments, that the next steps need.
void mark_running(Round& round, const SeenJob& job, std::uint64_t mark,
                  const std::map<std::string, std::string>& notes = {}) {
  JobRecord record = job.second.value;
  record.state = JobState::Running;
  record.mark = mark;
  for (const auto& [key, value] : notes) record.arguments[key] = value;
  put_job(round, job, record, "taken up");
}

Microseconds limit_of(const Round& round, const JobType& type) {
  return type.limit + (type.asks_guest ? round.settings.shutdown_timeout : 0);
}
bool is_overdue(const Round& round, const SeenJob& job, const JobType& type) {
  return round.in.now - round.next.job_began.at(job.first) >= limit_of(round, type);
}

// ------------------------------------------------------------------------------------------------------------------
// VMs

struct VmAndJob {
  Round& round;
  const SeenJob& job;
  const Seen<VmRecord>& vm;
  const OwnerRecord* owner = nullptr;
  const RunRecord* run = nullptr;  // of the present generation

  const std::string& name() const { return vm.value.name; }
};

bool is_off(const VmAndJob& it) {
  return !it.owner || it.owner->released || evidence_for(it.round.view(), it.owner->owner.boot, it.vm.value);
}
// Its node does not take part and nothing proves it off: the VM is being recovered, or it runs on where nobody can
// reach it.
bool is_out_of_reach(const VmAndJob& it) {
  return !is_off(it) && health(it.round.view(), it.round.next.sights, it.owner->owner.node, it.round.in.now,
                               it.round.settings.suspect_after) == Health::Lost;
}
bool is_running(const VmAndJob& it) {
  return !is_off(it) && !is_out_of_reach(it) && it.run && it.run->state == VmState::Running &&
         it.run->life.boot == it.owner->owner.boot;
}
std::string out_of_reach(const VmAndJob& it) {
  return "its node " + it.owner->owner.node + " is lost and not proven off";
}
// Whatever the generation: the count goes on when ownership moves.
std::uint64_t answers_so_far(const VmAndJob& it) {
  auto run = it.round.view().runs.find(it.vm.value.uuid);
  return run == it.round.view().runs.end() ? 0 : run->second.value.attempt;
}

void want(const VmAndJob& it, WantedState wanted, bool off_at_once) {
  if (it.vm.value.wanted == wanted && it.vm.value.off_at_once == off_at_once) return;
  VmRecord record = it.vm.value;
  record.wanted = wanted;
  record.off_at_once = off_at_once;
  it.round.plan(
      UpdateVm{"vm/" + record.uuid, record, it.vm.version, it.job.first, it.job.second.version},
      {wanted == WantedState::Running ? "want " + record.name + " running" : "want " + record.name + " stopped",
       "job " + std::to_string(it.job.first) + " asked by uid " + std::to_string(it.job.second.value.started_by_uid),
       {},
       {}});
}

// The steps of a restart and of a move, kept in the job, so that a new primary goes on where the old one was.
constexpr const char* step_key = "phase";
constexpr const char* stop_step = "stop";
constexpr const char* start_step = "start";
constexpr const char* home_step = "home";

bool is_between_stop_and_start(const SeenJob& job) {
  const std::string step = argument(job, step_key);
  return job.second.value.state == JobState::Running && (step == stop_step || step == start_step);
}

// Wanted, or stopped by another job only to be started again.
bool is_to_run(const VmAndJob& it) {
  if (it.vm.value.wanted == WantedState::Running) return true;
  const auto& jobs = it.round.view().jobs;
  return std::any_of(jobs.begin(), jobs.end(), [&](const SeenJob& other) {
    return other.first != it.job.first && other.second.value.object == it.vm.value.uuid &&
           is_between_stop_and_start(other);
  });
}

// Of its living owner: nothing there will start it now.
std::string owner_objection(const VmAndJob& it) {
  const Life& owner = it.owner->owner;
  if (!shows_life(it.round.view(), owner.node, owner.boot)) return {};
  const Live* live = live_of(it.round.view(), it.round.view().nodes.at(owner.node).value);
  return unit_objection(live->value, needs_of(it.vm.value, it.round.settings.needs));
}

// Waits until the VM runs, or until its node has answered that it will not be started now, or cannot.
void await_running(const VmAndJob& it) {
  if (is_running(it)) return finish(it.round, it.job, JobResult::Done, it.name() + " runs on " + it.owner->owner.node);
  if (it.run && it.run->attempt > it.job.second.value.mark && !it.run->reason.empty())
    return finish(it.round, it.job, JobResult::Refused, it.run->reason);
  auto waiting = it.round.next.waiting.find(it.vm.value.uuid);
  if (waiting != it.round.next.waiting.end()) return finish(it.round, it.job, JobResult::Refused, waiting->second);
  const std::string objection = is_off(it) ? "" : owner_objection(it);
  if (!objection.empty()) finish(it.round, it.job, JobResult::Refused, it.owner->owner.node + ": " + objection);
}

void start(const VmAndJob& it) {
  if (is_queued(it.job)) {
    if (it.vm.value.wanted == WantedState::Running && is_running(it))
      return finish(it.round, it.job, JobResult::Skipped, it.name() + " runs already on " + it.owner->owner.node);
    return mark_running(it.round, it.job, answers_so_far(it));
  }
  if (it.vm.value.wanted != WantedState::Running) return want(it, WantedState::Running, false);
  await_running(it);
}

void stop(const VmAndJob& it, WantedState wanted, bool at_once) {
  const bool disable = wanted == WantedState::Disabled;
  if (is_queued(it.job)) {
    if (it.vm.value.wanted == wanted && is_off(it) && !is_to_run(it))
      return finish(it.round, it.job, JobResult::Skipped, it.name() + " is stopped already");
    if (!disable && is_out_of_reach(it))
      return finish(it.round, it.job, JobResult::Refused,
                    out_of_reach(it) + ": it cannot be stopped there; disable it to keep it from being recovered");
    return mark_running(it.round, it.job, answers_so_far(it));
  }
  if (it.vm.value.wanted != wanted || (at_once && !it.vm.value.off_at_once)) return want(it, wanted, at_once);
  if (is_off(it) && is_to_run(it)) return;  // until the job that would start it again is seen to have ended
  if (is_off(it)) return finish(it.round, it.job, JobResult::Done, it.name() + " is stopped");
  if (is_out_of_reach(it))
    return finish(it.round, it.job, disable ? JobResult::Done : JobResult::Failed,
                  "it will not be started again, but " + out_of_reach(it));
  if (it.run && it.run->attempt > it.job.second.value.mark && !it.run->reason.empty())
    finish(it.round, it.job, JobResult::Failed, it.run->reason);
}

void stop_then_start(const VmAndJob& it) {
  if (argument(it.job, step_key) == start_step) {
    if (it.vm.value.wanted != WantedState::Running) return want(it, WantedState::Running, false);
    return await_running(it);
  }
  if (!is_off(it)) return want(it, WantedState::Stopped, false);
  mark_running(it.round, it.job, answers_so_far(it), {{step_key, start_step}});
}

void restart(const VmAndJob& it) {
  if (!is_queued(it.job)) return stop_then_start(it);
  if (is_out_of_reach(it)) return finish(it.round, it.job, JobResult::Refused, out_of_reach(it));
  mark_running(it.round, it.job, answers_so_far(it), {{step_key, stop_step}});
}

std::string objection_to(const VmAndJob& it, const NodeRecord& target) {
  const NodeName pin = pinned_to(it.round.view(), it.vm.value);
  if (it.owner && !pin.empty() && pin != target.name) return "its local disks are on " + pin;
  if (!is_to_run(it)) return {};
  return objection(it.round.view(), it.vm.value, target, promised_memory(it.round.view()), it.round.next.sights,
                   it.round.in.now, it.round.settings);
}

constexpr const char* node_key = "node";

void take_up_move(const VmAndJob& it, const NodeRecord& target) {
  const bool there = !is_off(it) && it.owner->owner.node == target.name;
  const bool goes = is_to_run(it) && !there;
  if (!goes && it.vm.value.home == target.name)
    return finish(it.round, it.job, JobResult::Skipped, it.name() + " belongs to " + target.name + " already");
  if (goes && is_out_of_reach(it)) return finish(it.round, it.job, JobResult::Refused, out_of_reach(it));
  const std::string why_not = there ? std::string() : objection_to(it, target);
  if (!why_not.empty()) return finish(it.round, it.job, JobResult::Refused, target.name + ": " + why_not);
  mark_running(it.round, it.job, answers_so_far(it),
               {{node_key, target.name}, {step_key, goes ? stop_step : home_step}});
}

// Away from where it is, or else from its home: wherever it fits best.
void choose_and_take_up_move(const VmAndJob& it) {
  VmRecord anywhere = it.vm.value;
  const NodeName leaving = is_off(it) ? anywhere.home : it.owner->owner.node;
  anywhere.home.clear();
  const Placement placement = place(it.round.view(), anywhere, promised_memory(it.round.view()), it.round.next.sights,
                                    it.round.in.now, it.round.settings, leaving);
  if (!placement.node.empty()) return take_up_move(it, it.round.view().nodes.at(placement.node).value);
  finish(it.round, it.job, JobResult::Refused, "no other node can take it now: " + list_of(placement.rejected));
}

void move(const VmAndJob& it) {
  const NodeName target = argument(it.job, node_key);
  if (target.empty()) return choose_and_take_up_move(it);
  const auto node = it.round.view().nodes.find(target);
  if (node == it.round.view().nodes.end())
    return finish(it.round, it.job, JobResult::Refused,
                  "argument 'node': no such node; see the objects below /org/pvcd1/node");
  if (is_queued(it.job)) return take_up_move(it, node->second.value);
  if (it.vm.value.home != target) {
    VmRecord record = it.vm.value;
    record.home = target;
    it.round.plan(UpdateVm{"vm/" + record.uuid, record, it.vm.version, it.job.first, it.job.second.version},
                  {"move " + record.name + " to " + record.home, "asked for", {}, {}});
    return;
  }
  if (argument(it.job, step_key) == home_step)
    return finish(it.round, it.job, JobResult::Done, it.name() + " belongs to " + target);
  // Before it is wanted again it cannot have been started elsewhere: its release is only not seen yet.
  if (argument(it.job, step_key) == start_step && is_to_run(it) && is_running(it) && it.owner->owner.node != target)
    return finish(it.round, it.job, JobResult::Failed,
                  target + " could not take it any more: it runs on " + it.owner->owner.node);
  stop_then_start(it);
}

void undefine(const VmAndJob& it) {
  if (is_to_run(it) || !is_off(it))
    return finish(it.round, it.job, JobResult::Refused, it.name() + " is not stopped: stop it first");
  if (is_queued(it.job)) return mark_running(it.round, it.job, 0);
  RemoveVm remove{"vm/" + it.vm.value.uuid, it.vm.value, it.vm.version, std::nullopt, std::nullopt};
  auto owner = it.round.view().owners.find(it.vm.value.uuid);
  if (owner != it.round.view().owners.end()) remove.owner_version = owner->second.version;
  auto run = it.round.view().runs.find(it.vm.value.uuid);
  if (run != it.round.view().runs.end()) remove.run_version = run->second.version;
  it.round.plan(remove, {"undefine " + it.name(), "asked for; its disks are not touched", {}, {}});
}

// A newer wish about the same VM that has been taken up ends this one: two of them would undo each other for ever.
const SeenJob* newer_wish(const ClusterView& view, const SeenJob& job) {
  for (auto other = view.jobs.upper_bound(job.first); other != view.jobs.end(); ++other) {
    const JobRecord& newer = other->second.value;
    const JobType* type = find_job_type(newer.type);
    const bool same_vm = type && type->target == Target::Vm && newer.object == job.second.value.object;
    const bool same_wish = newer.type == job.second.value.type && newer.arguments == job.second.value.arguments;
    if (same_vm && !same_wish && newer.state == JobState::Running) return &*other;
  }
  return nullptr;
}

// Without its VM there is nothing to do; for an undefine that was under way this is the aim.
void finish_without_vm(Round& round, const SeenJob& job) {
  auto broken = round.view().broken.find("/vms/" + job.second.value.object);
  if (broken != round.view().broken.end())
    return finish(round, job, JobResult::Failed, "its record cannot be read: " + broken->second);
  if (job.second.value.type == "vm-undefine" && !is_queued(job))
    return finish(round, job, JobResult::Done, "undefined");
  finish(round, job, JobResult::Failed, "the VM is gone");
}

std::string limit_text(Microseconds limit) {
  return "not within " + std::to_string(limit / seconds(60)) + " minutes: ";
}

// What it stopped on the way is wanted again: nobody asked for it to stay off.
void give_up(const VmAndJob& it, Microseconds limit) {
  if (is_between_stop_and_start(it.job) && it.vm.value.wanted != WantedState::Running)
    return want(it, WantedState::Running, false);
  auto waiting = it.round.next.waiting.find(it.vm.value.uuid);
  std::string missing = waiting != it.round.next.waiting.end()
                            ? waiting->second
                            : what_is_missing(it.round.view(), it.vm.value, it.round.settings.needs);
  if (missing.empty()) missing = it.owner ? "waiting for " + it.owner->owner.node : "waiting for a node";
  const bool wanted = it.vm.value.wanted == WantedState::Running;
  finish(it.round, it.job, JobResult::Timeout,
         limit_text(limit) + missing + (wanted ? "; it stays wanted" : "; it stays unwanted"));
}

void carry_out_vm_job(Round& round, const SeenJob& job, const JobType& kind) {
  const std::string& type = job.second.value.type;
  auto vm = round.view().vms.find(job.second.value.object);
  if (vm == round.view().vms.end()) return finish_without_vm(round, job);
  if (const SeenJob* newer = newer_wish(round.view(), job))
    return finish(round, job, JobResult::Canceled,
                  "overtaken by job " + std::to_string(newer->first) + " (" + newer->second.value.type + ")");
  VmAndJob it{round, job, vm->second};
  auto owner = round.view().owners.find(vm->first);
  if (owner != round.view().owners.end()) it.owner = &owner->second.value;
  auto run = round.view().runs.find(vm->first);
  if (it.owner && run != round.view().runs.end() && run->second.value.generation == it.owner->generation)
    it.run = &run->second.value;

  if (is_overdue(round, job, kind)) return give_up(it, limit_of(round, kind));
  if (type == "vm-start") start(it);
  if (type == "vm-shutdown") stop(it, WantedState::Stopped, false);
  if (type == "vm-stop") stop(it, WantedState::Stopped, true);
  if (type == "vm-disable") stop(it, WantedState::Disabled, false);
  if (type == "vm-restart") restart(it);
  if (type == "vm-move") move(it);
  if (type == "vm-undefine") undefine(it);
}

// ----------------------------------------------------------------------------------------------------------------
// nodes

constexpr const char* boot_key = "boot_id";

Epoch epoch_of(const Round& round) { return round.view().leader->value.epoch; }

void confirm_off(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const NodeName& name = node.value.name;
  if (argument(job, boot_key) != node.value.boot)
    return finish(round, job, JobResult::Refused,
                  "option 'boot_id' must name the boot that is confirmed off; the last known boot of " + name + " is " +
                      node.value.boot);
  const auto known = round.view().evidence.find(node.value.boot);
  if (known != round.view().evidence.end() && known->second.value.kind != EvidenceKind::Storage)
    return finish(round, job, JobResult::Done, "this boot is known to be over");
  const Live* live = live_of(round.view(), node.value);
  if (live && live->session)
    return finish(round, job, JobResult::Refused, name + " shows life in this boot: it is not off");
  if (is_queued(job)) return mark_running(round, job, 0);
  CommitEvidence commit =
      evidence_of(round, EvidenceKind::Operator, {name, node.value.boot, node.value.incarnation},
                  {"uid " + std::to_string(job.second.value.started_by_uid) + " confirmed on " +
                   job.second.value.started_on + " that boot " + node.value.boot + " of " + name + " is off"});
  if (live) commit.live_version = live->version;
  if (known != round.view().evidence.end()) commit.replaces = known->second.version;
  commit.node_version = node.version;
  round.plan(commit, {"take " + name + " for off", "an operator confirmed it", commit.record.facts,
                      why_not_better(round, node.value, EvidenceKind::Operator)});
}

std::string how_it_is_over(const Round& round, const NodeRecord& node) {
  switch (evidence_about(round.view(), node.boot)->kind) {
    case EvidenceKind::Storage:
      return node.name + " is shut out of its disks; it may still be on";
    case EvidenceKind::Watchdog:
      return node.name + " was cut by its own watchdog; it may be booting";
    default:
      return node.name + " is off";
  }
}

// It is about the boot in which the node was when the job was taken up: a node that has rebooted since is not switched
// off.
void fence_on_request(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const NodeName& name = node.value.name;
  if (name == round.in.self.node)
    return finish(round, job, JobResult::Refused, "a node does not fence itself: make another node primary first");
  if (is_queued(job)) {
    if (evidence_about(round.view(), node.value.boot))
      return finish(round, job, JobResult::Skipped, how_it_is_over(round, node.value) + " already");
    return mark_running(round, job, 0, {{boot_key, node.value.boot}});
  }
  if (argument(job, boot_key) != node.value.boot)
    return finish(round, job, JobResult::Done,
                  "boot " + argument(job, boot_key) + " of " + name + " is over: it joined in a later one");
  if (evidence_about(round.view(), node.value.boot))
    return finish(round, job, JobResult::Done, how_it_is_over(round, node.value));
  auto fence = round.view().fences.find(name);
  const Life victim{name, node.value.boot, node.value.incarnation};
  if (fence != round.view().fences.end() && fence->second.value.victim == victim)
    return;  // gather_evidence carries it on
  FenceRecord record;
  record.victim = victim;
  record.by = round.in.self.node;
  record.epoch = epoch_of(round);
  record.reason = "asked for by uid " + std::to_string(job.second.value.started_by_uid);
  std::optional<Version> replaces;
  if (fence != round.view().fences.end()) replaces = fence->second.version;
  round.plan(PutFence{"fence/" + name, record, replaces, node.version},
             {"mean to fence " + name, record.reason, {}, {}});
}

void finish_verification(Round& round, const SeenJob& job, const PowerReading& reading, bool alive, bool quiet) {
  switch (reading.state) {
    case PowerState::On:
      return finish(round, job, JobResult::Done, "the BMC answers and reads on");
    case PowerState::Unknown:
      return finish(round, job, JobResult::Failed, "fencing it would fail: " + reading.note);
    case PowerState::Off:
      if (alive && quiet)
        return finish(round, job, JobResult::Failed,
                      "the BMC reads off, and the node is not heard any more: it may be dying, or it is the wrong BMC");
      if (alive)
        return finish(round, job, JobResult::Failed,
                      "the BMC reads off while the node proves itself alive: it is the wrong BMC");
      return finish(round, job, JobResult::Done, "the BMC answers and reads off");
  }
}

void verify_fence(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  if (is_queued(job)) return mark_running(round, job, 0);
  const NodeName& name = node.value.name;
  const bool alive =
      health(round.view(), round.next.sights, name, round.in.now, round.settings.suspect_after) == Health::Alive;
  const bool quiet = is_quiet(round.next.sights, name, round.in.now);
  for (const CoordinatorAnswer& answer : round.in.answers)
    if (const auto* read = std::get_if<PowerRead>(&answer); read && read->node == name && read->boot == node.value.boot)
      return finish_verification(round, job, read->reading, alive, quiet);
  round.plan(ReadPower{"ready/" + name, name, node.value.boot, node.value.system_uuid},
             {"ask the BMC of " + name, "asked for", {}, {}});
}

bool can_be_primary(const Round& round, const NodeName& node) {
  const auto& coordinators = round.settings.coordinators;
  return std::find(coordinators.begin(), coordinators.end(), node) != coordinators.end() &&
         health(round.view(), round.next.sights, node, round.in.now, round.settings.suspect_after) == Health::Alive &&
         last_word(round.next.sights, node) == DaemonState::Run;
}

// Once for each job: who has the role at a later epoch got it because the others did not take it.
void give_up_role(Round& round, const SeenJob& job, const std::string& reason) {
  if (is_queued(job)) return mark_running(round, job, epoch_of(round));
  if (epoch_of(round) != job.second.value.mark)
    return finish(round, job, JobResult::Failed,
                  "the role was given up, but " + round.in.self.node + " is primary now");
  round.plan(GiveUpRole{"role", reason}, {"give up the role", reason, {}, {}});
}

void become_primary(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const NodeName& name = node.value.name;
  if (name == round.in.self.node)
    return finish(round, job, is_queued(job) ? JobResult::Skipped : JobResult::Done, name + " is primary");
  if (!can_be_primary(round, name))
    return finish(round, job, JobResult::Refused,
                  name + " is not a coordinator that is known to be alive and in state run");
  give_up_role(round, job, "asked to make " + name + " primary");
}

void step_down(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const NodeName& name = node.value.name;
  if (name != round.in.self.node)
    return finish(round, job, is_queued(job) ? JobResult::Skipped : JobResult::Done, name + " is not primary");
  const auto& coordinators = round.settings.coordinators;
  const bool successor = std::any_of(coordinators.begin(), coordinators.end(), [&](const NodeName& other) {
    return other != name && can_be_primary(round, other);
  });
  if (!successor)
    return finish(round, job, JobResult::Refused, "no other coordinator is known to be alive and in state run");
  give_up_role(round, job, "asked to step down");
}

void give_up(Round& round, const SeenJob& job, const JobType& kind) {
  const NodeName& node = job.second.value.object;
  const auto fence = round.view().fences.find(node);
  const bool fences = kind.name == "node-fence" && fence != round.view().fences.end();
  finish(round, job, JobResult::Timeout,
         limit_text(limit_of(round, kind)) + "waiting for " + node + (fences ? ": " + fence->second.value.note : ""));
}

void carry_out_node_job(Round& round, const SeenJob& job, const JobType& kind) {
  auto node = round.view().nodes.find(job.second.value.object);
  if (node == round.view().nodes.end()) return finish(round, job, JobResult::Failed, "no such node");
  if (is_overdue(round, job, kind)) return give_up(round, job, kind);
  const std::string& type = job.second.value.type;
  if (type == "node-fence") fence_on_request(round, job, node->second);
  if (type == "node-confirm-off") confirm_off(round, job, node->second);
  if (type == "node-verify-fence") verify_fence(round, job, node->second);
  if (type == "node-become-primary") become_primary(round, job, node->second);
  if (type == "node-step-down") step_down(round, job, node->second);
}

bool owns(const ClusterView& view, const NodeName& node, const VmUuid& vm) {
  auto owner = view.owners.find(vm);
  return owner != view.owners.end() && !owner->second.value.released && owner->second.value.owner.node == node;
}

// A job for a node that cannot answer any more, or about a VM that is gone, would stand in the way of the next one.
void finish_unanswerable(Round& round, const SeenJob& job, const JobType& kind) {
  const NodeName& node = job.second.value.object;
  const Health state = health(round.view(), round.next.sights, node, round.in.now, round.settings.suspect_after);
  if (!round.view().nodes.contains(node) || state == Health::Dead)
    finish(round, job, JobResult::Failed, node + " does not exist any more or is off");
  else if (!round.view().vms.contains(argument(job, "vm")))
    finish(round, job, JobResult::Failed, "the VM is gone");
  else if (owns(round.view(), node, argument(job, "vm")))
    finish(round, job, JobResult::Skipped, node + " owns the VM by now and looks after its images itself");
  else if (is_overdue(round, job, kind))
    give_up(round, job, kind);
}

void remove_finished(Round& round) {
  for (const auto& [id, job] : round.view().jobs) {
    if (job.value.state != JobState::Finished) continue;
    auto [seen, first] = round.next.job_finished.emplace(id, round.in.now);
    if (round.in.now - seen->second >= round.settings.finished_job_kept)
      round.plan(RemoveJob{job_key(id), id, job.version},
                 {"forget job " + std::to_string(id), "it finished a minute ago", {}, {}});
  }
  const auto is_gone = [&](const auto& one) { return !round.view().jobs.contains(one.first); };
  std::erase_if(round.next.job_began, is_gone);
  std::erase_if(round.next.job_finished, is_gone);
}

}  // namespace

const JobType* find_job_type(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(job_types), std::end(job_types), [&](const JobType& type) { return type.name == name; });
  return found == std::end(job_types) ? nullptr : found;
}

void carry_out_jobs(Round& round) {
  for (const SeenJob& job : round.view().jobs) {
    if (job.second.value.state == JobState::Finished) continue;
    round.next.job_began.emplace(job.first, round.in.now);
    const JobType* type = find_job_type(job.second.value.type);
    if (!type) {
      finish(round, job, JobResult::Failed, "this version does not know jobs of type '" + job.second.value.type + "'");
    } else if (type->executor == Executor::ObjectNode) {
      finish_unanswerable(round, job, *type);
    } else {
      type->target == Target::Vm ? carry_out_vm_job(round, job, *type) : carry_out_node_job(round, job, *type);
    }
  }
  remove_finished(round);
}

}  // namespace pvcd::logic
