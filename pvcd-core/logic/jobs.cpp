// Requests of people, one step a round. A job changes what is wanted and then waits for it to come true; it never acts
// on a host itself, so a primary that dies half-way leaves nothing that the next one cannot carry on.

#include "logic/jobs.hpp"

#include <algorithm>

#include "logic/round.hpp"

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

void mark_running(Round& round, const SeenJob& job, std::uint64_t mark, const std::string& phase = {}) {
  JobRecord record = job.second.value;
  record.state = JobState::Running;
  record.mark = mark;
  if (!phase.empty()) record.arguments["phase"] = phase;
  put_job(round, job, record, "taken up");
}

// ------------------------------------------------------------------------------------------------------------------ VMs

struct VmAndJob {
  Round& round;
  const SeenJob& job;
  const Seen<VmRecord>& vm;
  const OwnerRecord* owner = nullptr;
  const RunRecord* run = nullptr;  // of the present generation

  const std::string& name() const { return vm.value.name; }
};

bool is_off(const VmAndJob& it) {
  return !it.owner || it.owner->released || evidence_about(it.round.view(), it.owner->owner.boot);
}
bool is_running(const VmAndJob& it) {
  return it.owner && !it.owner->released && it.run && it.run->state == VmState::Running && it.run->life.boot == it.owner->owner.boot &&
         !evidence_about(it.round.view(), it.owner->owner.boot);
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
  it.round.plan(UpdateVm{"vm/" + record.uuid, record, it.vm.version},
                {wanted == WantedState::Running ? "want " + record.name + " running" : "want " + record.name + " stopped",
                 "job " + std::to_string(it.job.first) + " asked by uid " + std::to_string(it.job.second.value.started_by_uid), {}, {}});
}

// Waits until the VM runs, or until its node has answered that it will not be started now.
void await_running(const VmAndJob& it) {
  if (is_running(it)) return finish(it.round, it.job, JobResult::Done, it.name() + " runs on " + it.owner->owner.node);
  if (it.run && it.run->attempt > it.job.second.value.mark && !it.run->reason.empty())
    return finish(it.round, it.job, JobResult::Refused, it.run->reason);
  auto waiting = it.round.next.waiting.find(it.vm.value.uuid);
  if (waiting != it.round.next.waiting.end()) finish(it.round, it.job, JobResult::Refused, waiting->second);
}

void start(const VmAndJob& it) {
  if (it.job.second.value.state == JobState::Queued) {
    if (it.vm.value.wanted == WantedState::Running && is_running(it))
      return finish(it.round, it.job, JobResult::Skipped, it.name() + " runs already on " + it.owner->owner.node);
    return mark_running(it.round, it.job, answers_so_far(it));
  }
  if (it.vm.value.wanted != WantedState::Running) return want(it, WantedState::Running, false);
  await_running(it);
}

void stop(const VmAndJob& it, WantedState wanted, bool at_once) {
  if (it.job.second.value.state == JobState::Queued) {
    if (it.vm.value.wanted == wanted && is_off(it))
      return finish(it.round, it.job, JobResult::Skipped, it.name() + " is stopped already");
    return mark_running(it.round, it.job, answers_so_far(it));
  }
  if (it.vm.value.wanted != wanted || (at_once && !it.vm.value.off_at_once)) return want(it, wanted, at_once);
  if (is_off(it)) return finish(it.round, it.job, JobResult::Done, it.name() + " is stopped");
  if (it.run && it.run->attempt > it.job.second.value.mark && !it.run->reason.empty())
    finish(it.round, it.job, JobResult::Failed, it.run->reason);
}

// Stop, then start; in two phases kept in the job, so that a new primary goes on where the old one was.
void stop_then_start(const VmAndJob& it) {
  const JobRecord& job = it.job.second.value;
  if (job.state == JobState::Queued) return mark_running(it.round, it.job, answers_so_far(it), "stop");
  const auto phase = job.arguments.find("phase");
  if (phase != job.arguments.end() && phase->second == "start") {
    if (it.vm.value.wanted != WantedState::Running) return want(it, WantedState::Running, false);
    return await_running(it);
  }
  if (!is_off(it)) return want(it, WantedState::Stopped, false);
  mark_running(it.round, it.job, answers_so_far(it), "start");
}

void move(const VmAndJob& it) {
  const JobRecord& job = it.job.second.value;
  const auto target = job.arguments.find("node");
  if (target == job.arguments.end() || !it.round.view().nodes.contains(target->second))
    return finish(it.round, it.job, JobResult::Refused, "argument 'node': no such node; see the objects below /org/pvcd1/node");
  if (it.vm.value.home != target->second) {
    VmRecord record = it.vm.value;
    record.home = target->second;
    it.round.plan(UpdateVm{"vm/" + record.uuid, record, it.vm.version}, {"move " + record.name + " to " + record.home, "asked for", {}, {}});
    return;
  }
  const bool there = it.owner && !it.owner->released && it.owner->owner.node == target->second;
  if (job.state == JobState::Queued && (there || it.vm.value.wanted != WantedState::Running))
    return finish(it.round, it.job, JobResult::Done, it.name() + " belongs to " + target->second);
  stop_then_start(it);
}

void undefine(const VmAndJob& it) {
  if (it.vm.value.wanted == WantedState::Running || !is_off(it))
    return finish(it.round, it.job, JobResult::Refused, it.name() + " is not stopped: stop it first");
  RemoveVm remove{"vm/" + it.vm.value.uuid, it.vm.value, it.vm.version, std::nullopt, std::nullopt};
  auto owner = it.round.view().owners.find(it.vm.value.uuid);
  if (owner != it.round.view().owners.end()) remove.owner_version = owner->second.version;
  auto run = it.round.view().runs.find(it.vm.value.uuid);
  if (run != it.round.view().runs.end()) remove.run_version = run->second.version;
  it.round.plan(remove, {"undefine " + it.name(), "asked for; its disks are not touched", {}, {}});
}

void carry_out_vm_job(Round& round, const SeenJob& job) {
  const std::string& type = job.second.value.type;
  auto vm = round.view().vms.find(job.second.value.object);
  if (vm == round.view().vms.end()) {
    const bool was_removed = type == "vm-undefine" && job.second.value.state == JobState::Queued;
    return finish(round, job, was_removed ? JobResult::Done : JobResult::Failed, was_removed ? "undefined" : "the VM is gone");
  }
  VmAndJob it{round, job, vm->second};
  auto owner = round.view().owners.find(vm->first);
  if (owner != round.view().owners.end()) it.owner = &owner->second.value;
  auto run = round.view().runs.find(vm->first);
  if (it.owner && run != round.view().runs.end() && run->second.value.generation == it.owner->generation) it.run = &run->second.value;

  if (type == "vm-start") start(it);
  if (type == "vm-shutdown") stop(it, WantedState::Stopped, false);
  if (type == "vm-stop") stop(it, WantedState::Stopped, true);
  if (type == "vm-disable") stop(it, WantedState::Disabled, false);
  if (type == "vm-restart") stop_then_start(it);
  if (type == "vm-move") move(it);
  if (type == "vm-undefine") undefine(it);
}

// ---------------------------------------------------------------------------------------------------------------- nodes

void confirm_off(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const auto boot = job.second.value.arguments.find("boot_id");
  if (boot == job.second.value.arguments.end() || boot->second != node.value.boot)
    return finish(round, job, JobResult::Refused,
                  "option 'boot_id' must name the boot that is confirmed off; the last known boot of " + node.value.name + " is " + node.value.boot);
  if (evidence_about(round.view(), node.value.boot)) return finish(round, job, JobResult::Done, "this boot is known to be over");
  const Live* live = live_of(round.view(), node.value);
  if (live && live->session)
    return finish(round, job, JobResult::Refused, node.value.name + " shows life in this boot: it is not off");
  CommitEvidence commit;
  commit.key = "evidence/" + node.value.boot;
  commit.record.kind = EvidenceKind::Operator;
  commit.record.life = {node.value.name, node.value.boot, node.value.incarnation};
  commit.record.observer = round.in.self.node;
  commit.record.epoch = round.view().leader->value.epoch;
  commit.record.facts = {"uid " + std::to_string(job.second.value.started_by_uid) + " confirmed on " + job.second.value.started_on +
                         " that boot " + node.value.boot + " of " + node.value.name + " is off"};
  if (live) commit.live_version = live->version;
  commit.node_version = node.version;
  round.plan(commit, {"take " + node.value.name + " for off", "an operator confirmed it", commit.record.facts, {}});
}

void fence_on_request(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  if (evidence_about(round.view(), node.value.boot))
    return finish(round, job, job.second.value.state == JobState::Queued ? JobResult::Skipped : JobResult::Done, node.value.name + " is off");
  if (node.value.name == round.in.self.node)
    return finish(round, job, JobResult::Refused, "a node does not fence itself: make another node primary first");
  auto fence = round.view().fences.find(node.value.name);
  const Life victim{node.value.name, node.value.boot, node.value.incarnation};
  if (fence != round.view().fences.end() && fence->second.value.victim == victim) {
    if (job.second.value.state == JobState::Queued) return mark_running(round, job, 0);
    return;  // gather_evidence carries it on; the job ends with the evidence
  }
  FenceRecord record;
  record.victim = victim;
  record.by = round.in.self.node;
  record.epoch = round.view().leader->value.epoch;
  record.reason = "asked for by uid " + std::to_string(job.second.value.started_by_uid);
  std::optional<Version> replaces;
  if (fence != round.view().fences.end()) replaces = fence->second.version;
  round.plan(PutFence{"fence/" + node.value.name, record, replaces, node.version}, {"mean to fence " + node.value.name, record.reason, {}, {}});
}

void verify_fence(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  if (job.second.value.state == JobState::Queued) {
    round.next.readiness_read[node.value.name] = round.in.now;
    round.plan(ReadPower{"ready/" + node.value.name, node.value.name, node.value.system_uuid},
               {"ask the BMC of " + node.value.name, "asked for", {}, {}});
    return mark_running(round, job, 0);
  }
  for (const CoordinatorAnswer& answer : round.in.answers) {
    const auto* read = std::get_if<PowerRead>(&answer);
    if (!read || read->node != node.value.name) continue;
    const bool good = read->reading.state != PowerState::Unknown;
    return finish(round, job, good ? JobResult::Done : JobResult::Failed,
                  good ? std::string("the BMC answers and reads ") + (read->reading.state == PowerState::On ? "on" : "off")
                       : "fencing it would fail: " + read->reading.note);
  }
  round.plan(ReadPower{"ready/" + node.value.name, node.value.name, node.value.system_uuid},
             {"ask the BMC of " + node.value.name, "asked for", {}, {}});
}

void become_primary(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  const auto& coordinators = round.settings.coordinators;
  if (std::find(coordinators.begin(), coordinators.end(), node.value.name) == coordinators.end())
    return finish(round, job, JobResult::Refused, node.value.name + " is not one of the coordinators");
  if (node.value.name == round.in.self.node) return finish(round, job, JobResult::Done, node.value.name + " is primary");
  if (health(round.view(), round.next.sights, node.value.name, round.in.now, round.settings.suspect_after) != Health::Alive)
    return finish(round, job, JobResult::Refused, node.value.name + " is not known to be alive");
  if (job.second.value.state == JobState::Queued) return mark_running(round, job, 0);
  round.plan(GiveUpRole{"role", "asked to make " + node.value.name + " primary"}, {"give up the role", "asked for", {}, {}});
}

void step_down(Round& round, const SeenJob& job, const Seen<NodeRecord>& node) {
  if (node.value.name != round.in.self.node)
    return finish(round, job, job.second.value.state == JobState::Queued ? JobResult::Skipped : JobResult::Done,
                  node.value.name + " is not primary");
  if (job.second.value.state == JobState::Queued) return mark_running(round, job, 0);
  round.plan(GiveUpRole{"role", "asked to step down"}, {"give up the role", "asked for", {}, {}});
}

void carry_out_node_job(Round& round, const SeenJob& job) {
  auto node = round.view().nodes.find(job.second.value.object);
  if (node == round.view().nodes.end()) return finish(round, job, JobResult::Failed, "no such node");
  const std::string& type = job.second.value.type;
  if (type == "node-fence") fence_on_request(round, job, node->second);
  if (type == "node-confirm-off") confirm_off(round, job, node->second);
  if (type == "node-verify-fence") verify_fence(round, job, node->second);
  if (type == "node-become-primary") become_primary(round, job, node->second);
  if (type == "node-step-down") step_down(round, job, node->second);
}

void remove_finished(Round& round) {
  for (const auto& [id, job] : round.view().jobs) {
    if (job.value.state != JobState::Finished) continue;
    auto [seen, first] = round.next.job_finished.emplace(id, round.in.now);
    if (round.in.now - seen->second >= round.settings.finished_job_shown)
      round.plan(RemoveJob{job_key(id), id, job.version}, {"forget job " + std::to_string(id), "it finished a minute ago", {}, {}});
  }
  std::erase_if(round.next.job_finished, [&](const auto& one) { return !round.view().jobs.contains(one.first); });
}

}  // namespace

const JobType* find_job_type(std::string_view name) {
  const auto* found = std::find_if(std::begin(job_types), std::end(job_types), [&](const JobType& type) { return type.name == name; });
  return found == std::end(job_types) ? nullptr : found;
}

void carry_out_jobs(Round& round) {
  for (const SeenJob& job : round.view().jobs) {
    if (job.second.value.state == JobState::Finished) continue;
    const JobType* type = find_job_type(job.second.value.type);
    if (!type) {
      finish(round, job, JobResult::Failed, "this version does not know jobs of type '" + job.second.value.type + "'");
    } else if (type->executor == Executor::Primary) {
      type->target == Target::Vm ? carry_out_vm_job(round, job) : carry_out_node_job(round, job);
    }
  }
  remove_finished(round);
}

}  // namespace pvcd::logic
