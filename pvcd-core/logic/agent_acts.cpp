// Which act a step is, and what its request or record says.
#include <algorithm>
#include <utility>

#include "logic/agent_vm.hpp"
#include "logic/liveness.hpp"
#include "logic/units.hpp"

namespace pvcd::logic {
void AgentVm::plan_step() {
  const DomainRequest domain{{}, uuid_, memory_.process.value_or(Process{})};
  switch (memory_.step) {
    case Step::Look:
      memory_.looked_at = in_.now;
      return plan(Probe{probe_request()}, "look for processes of " + vm_->name,
                  "only processes say whether it runs here");
    case Step::Hooks:
      if (has_more_hooks())
        return plan(RunHook{hook(), start_request()}, "ask " + hook() + " about " + vm_->name,
                    "every hook must say Proceed before it starts");
      go(memory_.goal == Goal::HelpRelease ? Step::Report : Step::Create);
      return plan_step();
    case Step::Create:
      return plan_create();
    case Step::Identify:
      if (has_more_hooks() && needs_storage_guard())
        return plan(IdentifyInstances{hook(), {{}, vm_->disks, memory_.present, in_.storage_addresses, true}},
                    "read the Ceph client instances of " + vm_->name, "they must be on record before its CPUs run");
      go(Step::RecordStart);
      return plan_step();
    case Step::RecordStart:
      return plan_write(write(run_record(VmState::Starting), LinkKind::Started), "record the start of " + vm_->name,
                        "intent before act", memory_.proceeded);
    case Step::Resume:
      return plan(ResumeDomain{domain}, "let the CPUs of " + vm_->name + " run", "its instances are on record");
    case Step::RecordRunning: {
      WriteRun act = write(run_record(VmState::Running));
      // Its own locks are taken now and every former one was broken on the way here.
      act.owner = owner_->value;
      act.owner->former.clear();
      act.owner->failed_on.clear();
      return plan_write(act, "record " + vm_->name + " running", "its CPUs run");
    }
    case Step::IdentifyPlugged:
      if (!is_own_run()) return start_over();
      if (has_more_hooks())
        return plan(IdentifyInstances{hook(), plugged_request()},
                    "read the Ceph client instances of what was plugged into " + vm_->name,
                    "what is not on record cannot be taken away from a dead QEMU");
      if (memory_.instances.empty()) return end_plugging();
      go(Step::RecordPlugged);
      return plan_step();
    case Step::RecordPlugged: {
      RunRecord record = run_->value;
      record.instances.insert(record.instances.end(), memory_.instances.begin(), memory_.instances.end());
      return plan_write(write(std::move(record)), "record what was plugged into " + vm_->name,
                        "records of a running VM grow with it");
    }
    case Step::RecordRefusal:
      return plan_write(write(refusal_record()),
                        (memory_.goal == Goal::Stop ? "do not stop " : "do not start ") + vm_->name + " now",
                        memory_.reason);
    case Step::RecordTurn:
      return plan_write(write(turn_record()), "let " + vm_->name + " wait", memory_.reason);
    case Step::AskShutdown:
      return plan(
          ShutdownDomain{domain}, "ask the guest of " + vm_->name + " to shut down",
          memory_.shutdown_asked ? "it could not be asked before: " + memory_.reason : "it is not wanted any more");
    case Step::Destroy:
      return plan(DestroyDomain{domain}, "destroy the domain of " + vm_->name,
                  memory_.goal == Goal::DestroyStale
                      ? "this boot was taken for over, with evidence: whatever runs here is of the past"
                      : "it must not run now");
    case Step::BreakInstances:
      if (has_more_hooks() && !own_dead().empty())
        return plan(AfterStop{hook(), {{}, uuid_, vm_->disks, own_dead(), in_.storage_addresses}},
                    "break what the stopped QEMU of " + vm_->name + " left behind", "a release leaves nothing behind");
      go(Step::RecordRelease);
      return plan_step();
    case Step::RecordRelease:
      return plan_release();
    case Step::Readopt: {
      RunRecord record = is_own_run() ? run_->value : unstarted_record();
      record.life = in_.self;
      WriteRun act = write(record, LinkKind::Readopted);
      act.owner = owner_->value;
      act.owner->owner.incarnation = in_.self.incarnation;
      return plan_write(act, "adopt " + vm_->name + " again", "the keepalive has a new session in the same boot");
    }
    case Step::Report:
      return plan_report();
    case Step::Idle:
    case Step::Running:
    case Step::AwaitShutdown:
      return;
  }
}

void AgentVm::plan_create() {
  plan(CreateDomain{{{}, uuid_, vm_->xml, memory_.generation}}, "create " + vm_->name + " paused",
       "owned here at generation " + std::to_string(memory_.generation) + ", and every hook said Proceed");
}

void AgentVm::plan_write(WriteRun act, std::string what, std::string because, std::vector<std::string> evidence) {
  memory_.own_write = OwnWrite{act.replaces, act.owner ? std::optional(act.owner_version) : std::nullopt, 0};
  plan(std::move(act), std::move(what), std::move(because), std::move(evidence));
}

// Of what is given back the record says where it has failed, until every host has had its turn.
void AgentVm::plan_release() {
  const bool gives_back = memory_.goal == Goal::GiveBack;
  WriteRun act = write(run_record(VmState::Stopped), LinkKind::Released);
  act.owner = owner_->value;
  act.owner->released = true;
  if (gives_back && !is_last_resort())
    act.owner->failed_on.push_back(in_.self.node);
  else
    act.owner->failed_on.clear();
  act.vm_version = in_.view.vms.at(uuid_).version;
  const std::string because = "its QEMU is gone and nothing of it is left in Ceph";
  if (!gives_back) return plan_write(act, "release " + vm_->name, because);
  act.record.reason = memory_.gives_back;
  plan_write(act, "give " + vm_->name + " back", memory_.gives_back + "; " + because);
}

void AgentVm::plan_report() {
  const Seen<JobRecord>* job = release_job();
  if (!job) return start_over();  // withdrawn
  memory_.answered_job = job->value.id;
  FinishJob act{job->value, job->version};
  act.record.state = JobState::Finished;
  act.record.result = memory_.refused ? JobResult::Refused : JobResult::Done;
  act.record.message = memory_.refused ? memory_.reason : "nothing of " + vm_->name + " is left here";
  plan(act, "answer the release request for " + vm_->name, act.record.message);
}

void AgentVm::plan(AgentAct act, std::string what, std::string because, std::vector<std::string> evidence) {
  memory_.under_way = true;
  actions_.push_back({uuid_, std::move(act), {std::move(what), std::move(because), std::move(evidence), {}}});
}

// A refusal that names a living node's dead instance becomes a request to that node.
void AgentVm::ask_for_release() {
  if (memory_.ask.empty()) return;
  for (const auto& [id, job] : in_.view.jobs)
    if (is_release_for(job.value, memory_.ask) && job.value.arguments.at("vm") == uuid_) return;
  actions_.push_back({uuid_,
                      AskRelease{memory_.ask, uuid_},
                      {"ask " + memory_.ask + " to release the images of " + vm_->name, memory_.reason, {}, {}}});
}

// ---------------------------------------------------------------------------------------------------------- requests

// What another node's start waits for are locks; files have none.
bool AgentVm::asks(const std::string& hook) const {
  return hook != shared_files_hook || (memory_.step == Step::Hooks && owns() && has_shared_files(*vm_));
}

bool AgentVm::has_more_hooks() {
  const auto& hooks = settings_.hooks;
  while (memory_.hook < hooks.size() && !asks(hooks[memory_.hook])) ++memory_.hook;
  return memory_.hook < hooks.size();
}

bool AgentVm::needs_storage_guard() const {
  return std::any_of(vm_->disks.begin(), vm_->disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Rbd; });
}

ProbeRequest AgentVm::probe_request() const {
  ProbeRequest request{{}, uuid_, {}};
  if (run_ && run_->value.process && run_->value.life.boot == in_.self.boot)
    request.recorded.push_back(*run_->value.process);
  return request;
}

// Instances of this node that cannot live: recorded by an older boot, or of this boot and no process of the VM is here
// (this is only called after a probe said so). What was identified and could not be recorded is ours no less.
std::vector<ClientInstance> AgentVm::own_dead() const {
  std::vector<ClientInstance> dead;
  const auto add = [&](const std::vector<ClientInstance>& instances) {
    dead.insert(dead.end(), instances.begin(), instances.end());
  };
  add(memory_.unrecorded);
  if (run_ && run_->value.life.node == in_.self.node) add(run_->value.instances);
  if (owner_)
    for (const Writer& writer : owner_->value.former)
      if (writer.life.node == in_.self.node) add(writer.instances);
  return dead;
}

VmStart AgentVm::start_request() const {
  VmStart request;
  request.uuid = uuid_;
  request.generation = memory_.generation;
  request.disks = vm_->disks;
  request.file_systems = known_file_systems();
  request.self = in_.self;
  request.own_addresses = in_.storage_addresses;
  request.own_dead = own_dead();
  if (owns()) request.covered = owner_->value.former;
  for (const auto& [name, node] : in_.view.nodes) {
    const Live* live = live_of(in_.view, node.value);
    if (name != in_.self.node && live && live->session) request.living[name] = node.value.storage_addresses;
  }
  if (auto seen = memory_.first_seen.find(hook()); seen != memory_.first_seen.end())
    for (const auto& [what, when] : seen->second) request.first_seen.push_back({what, in_.now - when});
  return request;
}

// ----------------------------------------------------------------------------------------------------------- records

RunRecord AgentVm::run_record(VmState state) const {
  RunRecord record;
  record.generation = owner_->value.generation;
  record.life = in_.self;
  record.state = state;
  record.attempt = run_ ? run_->value.attempt : 0;
  if (run_) record.file_systems = run_->value.file_systems;
  if (state == VmState::Stopped) return record;
  record.file_systems = file_systems();
  record.process = memory_.process;
  record.instances = memory_.instances;
  record.instances.insert(record.instances.end(), memory_.present.begin(), memory_.present.end());
  return record;
}

// What this start has seen; of a file that it does not use any more, what an earlier one has.
std::vector<FileSystem> AgentVm::file_systems() const {
  std::vector<FileSystem> all = memory_.file_systems;
  if (run_)
    for (const FileSystem& known : run_->value.file_systems)
      if (std::ranges::find(all, known.path, &FileSystem::path) == all.end()) all.push_back(known);
  return all;
}

// A file that nobody has seen, of a VM that is new or defined anew, lies where those of the others do.
std::vector<FileSystem> AgentVm::known_file_systems() const {
  std::vector<FileSystem> all = run_ ? run_->value.file_systems : std::vector<FileSystem>();
  const bool each_is_known = std::ranges::all_of(vm_->disks, [&](const Disk& disk) {
    return disk.kind != DiskKind::Shared || std::ranges::count(all, disk.source, &FileSystem::path) > 0;
  });
  if (each_is_known) return all;
  for (const auto& [uuid, run] : in_.view.runs)
    all.insert(all.end(), run.value.file_systems.begin(), run.value.file_systems.end());
  return all;
}

// No QEMU of this generation is known. What an earlier one left behind stays on record until it is seen gone.
RunRecord AgentVm::unstarted_record() const {
  RunRecord record;
  record.generation = owner_->value.generation;
  record.life = in_.self;
  record.state = memory_.goal == Goal::Stop ? VmState::Stopped : VmState::Starting;
  record.attempt = run_ ? run_->value.attempt : 0;
  if (run_) record.file_systems = run_->value.file_systems;
  if (run_ && run_->value.life.node == in_.self.node) record.instances = run_->value.instances;
  return record;
}

RunRecord AgentVm::refusal_record() const {
  RunRecord record = is_own_run() && memory_.domain != DomainState::Gone ? run_->value : unstarted_record();
  record.life = in_.self;
  record.reason = memory_.reason;
  record.attempt++;
  if (has_failed()) record.state = VmState::Failed;
  return record;
}

// No answer to whoever asked for the start: that is still to come.
RunRecord AgentVm::turn_record() const {
  RunRecord record = unstarted_record();
  record.reason = memory_.reason;
  return record;
}

WriteRun AgentVm::write(RunRecord record) const {
  WriteRun act;
  act.record = std::move(record);
  if (run_) act.replaces = run_->version;
  act.owner_version = owner_->version;
  return act;
}

WriteRun AgentVm::write(RunRecord record, LinkKind kind) const {
  WriteRun act = write(std::move(record));
  LinkRecord link{kind, owner_->value.generation, in_.self, owner_->value.epoch, {}, {}};
  if (kind == LinkKind::Started) link.process = act.record.process;
  act.link = std::move(link);
  return act;
}

}  // namespace pvcd::logic
