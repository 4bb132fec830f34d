#include "logic/agent_vm.hpp"

#include <algorithm>
#include <utility>

#include "logic/liveness.hpp"

namespace pvcd::logic {
namespace {

template <class Map>
auto* find(const Map& map, const VmUuid& uuid) {
  auto found = map.find(uuid);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace

AgentVm::AgentVm(const AgentInput& in, const AgentSettings& settings, const VmUuid& uuid, VmMemory& memory,
                 std::vector<AgentAction>& actions)
    : in_(in), settings_(settings), uuid_(uuid), memory_(memory), actions_(actions) {
  if (const auto* vm = find(in.view.vms, uuid)) vm_ = &vm->value;
  owner_ = find(in.view.owners, uuid);
  run_ = find(in.view.runs, uuid);
}

bool AgentVm::owns() const {
  return owner_ && !owner_->value.released && owner_->value.owner.node == in_.self.node &&
         owner_->value.owner.boot == in_.self.boot && owner_->value.generation > memory_.released;
}

const Seen<JobRecord>* AgentVm::release_job() const {
  for (const auto& [id, job] : in_.view.jobs)
    if (is_release_for(job.value, in_.self.node) && job.value.arguments.at("vm") == uuid_) return &job;
  return nullptr;
}

Goal AgentVm::goal() const {
  if (evidence_about(in_.view, in_.self.boot)) return Goal::DestroyStale;
  // A QEMU that lives here while the records call this life *released* contradicts them: it is left alone, its watcher
  // makes every start elsewhere refuse, and people decide.
  if (owns()) return vm_->wanted == WantedState::Running ? Goal::Run : Goal::Stop;
  return release_job() ? Goal::HelpRelease : Goal::Nothing;
}

// ------------------------------------------------------------------------------------------------------------- the
// steps

void AgentVm::advance() {
  if (!vm_ || memory_.under_way) return;
  notice_goal();
  notice_releases();
  const bool own = memory_.goal == Goal::Run || memory_.goal == Goal::Stop;
  if (own && owner_->value.owner.incarnation != in_.self.incarnation) go(Step::Readopt);
  if (has_to_wait()) return;
  if (memory_.step == Step::Running && may_be_gone()) start_over();
  if (memory_.step == Step::AwaitShutdown) await_shutdown();
  if (memory_.step == Step::Idle) choose();
  plan_step();
}

// What was begun for another goal, or another generation, ends where it is; what to do next is taken from what is seen
// then. A guest that has been asked to shut down is waited for even when it is wanted again: it may be half-way.
void AgentVm::notice_goal() {
  const Goal now = goal();
  const Generation generation = owner_ ? owner_->value.generation : 0;
  const bool same_generation = generation == std::exchange(memory_.generation, generation);
  if (std::exchange(memory_.goal, now) != now || !same_generation) {
    memory_.not_before = 0;
    memory_.failures = 0;
    if (memory_.step == Step::AwaitShutdown && now == Goal::Run && same_generation) return;
    memory_.shutdown_asked.reset();
    start_over();
  }
  if (in_.stopping && (memory_.step == Step::Hooks || memory_.step == Step::Create)) start_over();
}

void AgentVm::notice_releases() {
  const auto releases =
      static_cast<std::size_t>(std::count_if(in_.view.jobs.begin(), in_.view.jobs.end(), [&](const auto& job) {
        auto vm = job.second.value.arguments.find("vm");
        return job.second.value.type == "node-release-images" && job.second.value.result == JobResult::Done &&
               vm != job.second.value.arguments.end() && vm->second == uuid_;
      }));
  if (releases > memory_.releases_seen) memory_.not_before = 0;
  memory_.releases_seen = releases;
}

// What tells people or undoes something is never put off.
bool AgentVm::has_to_wait() const {
  const bool at_once =
      memory_.step == Step::RecordRefusal || memory_.step == Step::Destroy || memory_.step == Step::Report;
  return !at_once && in_.now < memory_.not_before;
}

void AgentVm::choose() {
  switch (memory_.goal) {
    case Goal::Run:
      return choose_run();
    case Goal::Stop:
      return choose_stop();
    case Goal::DestroyStale:
      if (memory_.process) go(Step::Destroy);
      return;
    case Goal::HelpRelease:
      if (in_.stopping) return;
      if (!memory_.process) return go(Step::Hooks);
      memory_.refused = true;
      memory_.reason =
          "QEMU " + std::to_string(memory_.process->pid) + " of " + vm_->name + " lives on " + in_.self.node;
      return go(Step::Report);
    case Goal::Nothing:
      return;
  }
}

void AgentVm::choose_run() {
  if (in_.stopping) return;
  // Whatever was waited for stays remembered; the rest of a former start does not.
  memory_.present.clear();
  memory_.instances.clear();
  if (!memory_.process) return go(Step::Hooks);
  const bool recorded = is_own_run() && run_->value.process == memory_.process;
  const bool recorded_running = recorded && run_->value.state == VmState::Running;
  // A paused domain is one whose start was interrupted: its CPUs never ran, so nothing is lost by starting it again
  // through the hooks.
  if (memory_.domain == DomainState::Paused && !recorded_running) return go(Step::Destroy);
  if (recorded_running && run_->value.reason.empty()) return go(Step::Running);
  if (recorded) memory_.instances = run_->value.instances;
  if (recorded_running) return go(Step::RecordRunning);
  // Whether its CPUs were ever let run is not known: a QEMU counts as running where libvirt does not say otherwise.
  go(memory_.instances.empty() ? Step::Identify : Step::Resume);
}

void AgentVm::choose_stop() {
  if (in_.stopping) return;
  if (!memory_.process) return go(Step::BreakInstances);
  if (vm_->off_at_once || memory_.domain == DomainState::Paused) return go(Step::Destroy);
  go(memory_.shutdown_asked ? Step::AwaitShutdown : Step::AskShutdown);
}

// The hypervisor's list is complete: what is not on it is not there as far as it knows. Only a probe decides.
bool AgentVm::may_be_gone() {
  auto fact = in_.domains.find(uuid_);
  const bool gone = fact == in_.domains.end() || fact->second == DomainState::Gone;
  if (!gone) memory_.doubted_at.reset();
  // Again after a while: the fact may have been wrong the first time and be right now.
  if (!gone || (memory_.doubted_at && in_.now < *memory_.doubted_at + settings_.retry_min)) return false;
  memory_.doubted_at = in_.now;
  return true;
}

void AgentVm::await_shutdown() {
  const bool overdue = memory_.shutdown_asked && in_.now - *memory_.shutdown_asked > settings_.shutdown_timeout;
  if (memory_.goal == Goal::Stop && (vm_->off_at_once || overdue)) return go(Step::Destroy);
  if (overdue || may_be_gone()) start_over();
}

void AgentVm::plan_step() {
  const DomainRequest domain{{}, uuid_, memory_.process.value_or(Process{})};
  switch (memory_.step) {
    case Step::Look: {
      ProbeRequest request{uuid_, {}};
      if (run_ && run_->value.process && run_->value.life.boot == in_.self.boot)
        request.recorded.push_back(*run_->value.process);
      return plan(Probe{request}, "look for processes of " + vm_->name, "only processes say whether it runs here");
    }
    case Step::Hooks:
      if (memory_.hook < settings_.hooks.size())
        return plan(RunHook{settings_.hooks[memory_.hook], start_request()},
                    "ask " + settings_.hooks[memory_.hook] + " about " + vm_->name,
                    "every hook must say Proceed before it starts");
      go(memory_.goal == Goal::HelpRelease ? Step::Report : Step::Create);
      return plan_step();
    case Step::Create:
      return plan(CreateDomain{{{}, uuid_, vm_->xml, memory_.generation}}, "create " + vm_->name + " paused",
                  "owned here at generation " + std::to_string(memory_.generation) + ", and every hook said Proceed");
    case Step::Identify:
      if (memory_.hook < settings_.hooks.size() && needs_storage_guard())
        return plan(
            IdentifyInstances{settings_.hooks[memory_.hook], {vm_->disks, memory_.present, in_.storage_addresses}},
            "read the Ceph client instances of " + vm_->name, "they must be on record before its CPUs run");
      go(Step::RecordStart);
      return plan_step();
    case Step::RecordStart:
      return plan(write(run_record(VmState::Starting)), "record the start of " + vm_->name, "intent before act");
    case Step::Resume:
      return plan(ResumeDomain{domain}, "let the CPUs of " + vm_->name + " run", "its instances are on record");
    case Step::RecordRunning: {
      WriteRun act = write(run_record(VmState::Running));
      // Its own locks are taken now and every former one was broken on the way here.
      act.owner = owner_->value;
      act.owner->former.clear();
      return plan(act, "record " + vm_->name + " running", "its CPUs run");
    }
    case Step::RecordRefusal:
      return plan(write(refusal_record()),
                  (memory_.goal == Goal::Run ? "do not start " : "do not stop ") + vm_->name + " now", memory_.reason);
    case Step::AskShutdown:
      return plan(ShutdownDomain{domain}, "ask the guest of " + vm_->name + " to shut down",
                  "it is not wanted any more");
    case Step::Destroy:
      return plan(DestroyDomain{domain}, "destroy the domain of " + vm_->name,
                  memory_.goal == Goal::DestroyStale
                      ? "this boot was taken for over, with evidence: whatever runs here is of the past"
                      : "it must not run now");
    case Step::BreakInstances:
      if (memory_.hook < settings_.hooks.size() && !own_dead().empty())
        return plan(
            AfterStop{settings_.hooks[memory_.hook], {{}, uuid_, vm_->disks, own_dead(), in_.storage_addresses}},
            "break what the stopped QEMU of " + vm_->name + " left behind", "a release leaves nothing behind");
      go(Step::RecordRelease);
      return plan_step();
    case Step::RecordRelease: {
      WriteRun act = write(run_record(VmState::Stopped));
      act.owner = owner_->value;
      act.owner->released = true;
      return plan(act, "release " + vm_->name, "its QEMU is gone and nothing of it is left in Ceph");
    }
    case Step::Readopt: {
      RunRecord record = is_own_run() ? run_->value : unstarted_record();
      record.life = in_.self;
      WriteRun act = write(record);
      act.owner = owner_->value;
      act.owner->owner.incarnation = in_.self.incarnation;
      return plan(act, "adopt " + vm_->name + " again", "the keepalive has a new session in the same boot");
    }
    case Step::Report: {
      const Seen<JobRecord>* job = release_job();
      FinishJob act{job->value, job->version};
      act.record.state = JobState::Finished;
      act.record.result = memory_.refused ? JobResult::Refused : JobResult::Done;
      act.record.message = memory_.refused ? memory_.reason : "nothing of " + vm_->name + " is left here";
      return plan(act, "answer the release request for " + vm_->name, act.record.message);
    }
    case Step::Idle:
    case Step::Running:
    case Step::AwaitShutdown:
      return;
  }
}

// ------------------------------------------------------------------------------------------------------------ the
// answers

void AgentVm::take(const AgentResult& result) {
  memory_.under_way = false;
  if (!vm_) return;
  if (const auto* probe = std::get_if<DomainProbe>(&result)) take_probe(*probe);
  if (const auto* verdict = std::get_if<HookVerdict>(&result)) take_verdict(*verdict);
  if (const auto* created = std::get_if<CreateAnswer>(&result)) take_created(*created);
  if (const auto* identified = std::get_if<Identified>(&result)) take_identified(*identified);
  if (const auto* answer = std::get_if<Answer>(&result)) take_answer(*answer);
  if (const auto* written = std::get_if<Written>(&result)) take_written(*written);
}

void AgentVm::take_probe(const DomainProbe& probe) {
  memory_.domain = probe.state;
  if (probe.state == DomainState::Unknown) return refuse("it is not known whether it runs here: " + probe.note);
  const bool gone = probe.state == DomainState::Gone;
  memory_.process = gone ? std::nullopt : probe.process;
  if (gone) memory_.shutdown_asked.reset();
  go(Step::Idle);
}

void AgentVm::take_verdict(const HookVerdict& verdict) {
  switch (verdict.verdict) {
    case Verdict::Proceed:
      memory_.present.insert(memory_.present.end(), verdict.present.begin(), verdict.present.end());
      memory_.refused = false;
      memory_.hook++;
      return;
    case Verdict::Wait: {
      const Instant first = memory_.first_seen.emplace(verdict.wait_for, in_.now).first->second;
      if (goal() == Goal::HelpRelease)
        go(Step::Look);
      else
        refuse("waiting for " + verdict.wait_for + ": " + verdict.reason);
      memory_.failures = 0;
      memory_.not_before = std::max(first + verdict.wait, in_.now + settings_.retry_min);
      return;
    }
    case Verdict::Refuse:
      return refuse(verdict.reason, verdict.ask);
    case Verdict::Unknown:
      return refuse("hook " + settings_.hooks[memory_.hook] + " gave no answer: " + verdict.reason);
  }
}

void AgentVm::take_created(const CreateAnswer& created) {
  if (created.outcome == Outcome::Done && created.process) {
    memory_.process = created.process;
    memory_.domain = DomainState::Paused;
    return go(Step::Identify);
  }
  if (created.outcome == Outcome::Refused) return refuse("libvirt did not create it: " + created.note);
  refuse("the hypervisor gave no answer: " + created.note);
}

void AgentVm::take_identified(const Identified& identified) {
  if (identified.outcome == Outcome::Done) {
    memory_.instances.insert(memory_.instances.end(), identified.instances.begin(), identified.instances.end());
    memory_.hook++;
    return;
  }
  // Without a record of its instances its CPUs must not run. The next look destroys it; one that runs already (adopted)
  // is only asked about again.
  refuse("its Ceph client instances are not known: " + identified.note);
}

void AgentVm::take_answer(const Answer& answer) {
  const bool done = answer.outcome == Outcome::Done;
  switch (memory_.step) {
    case Step::Resume:
      if (done) {
        memory_.domain = DomainState::Running;
        return go(Step::RecordRunning);
      }
      break;
    case Step::AskShutdown:
      memory_.shutdown_asked = in_.now;
      return go(Step::AwaitShutdown);
    case Step::Destroy:
      if (done) return start_over();
      break;
    case Step::BreakInstances:
      if (done) {
        memory_.hook++;
        return;
      }
      return refuse("the release is pending: " + answer.note);
    default:
      break;
  }
  refuse(answer.note);
}

void AgentVm::take_written(const Written& written) {
  if (!written.ok) {
    memory_.reason = written.note;
    retry_later();
    return start_over();
  }
  switch (memory_.step) {
    case Step::RecordStart:
      return go(Step::Resume);
    case Step::RecordRunning:
      memory_.failures = 0;
      memory_.reason.clear();
      memory_.first_seen.clear();
      return go(Step::Running);
    case Step::RecordRefusal:
      ask_for_release();
      return go(Step::Look);
    case Step::RecordRelease:
      memory_.released = memory_.generation;
      return start_over();
    default:
      return start_over();
  }
}

// ------------------------------------------------------------------------------------------------------------------
// parts

void AgentVm::plan(AgentAct act, std::string what, std::string because, std::vector<std::string> evidence) {
  memory_.under_way = true;
  actions_.push_back({uuid_, std::move(act), {std::move(what), std::move(because), std::move(evidence), {}}});
}

void AgentVm::go(Step step) {
  if (step == Step::Hooks || step == Step::Identify || step == Step::BreakInstances) memory_.hook = 0;
  memory_.step = step;
}

void AgentVm::retry_later() {
  Microseconds wait = settings_.retry_min;
  for (std::uint32_t i = 0; i < memory_.failures && wait < settings_.retry_max; ++i) wait *= 2;
  memory_.failures++;
  memory_.not_before = in_.now + std::min(wait, settings_.retry_max);
}

// It cannot be done now: told, and tried again later. Nothing but an owner records anything about its VM.
void AgentVm::refuse(std::string reason, NodeName ask) {
  memory_.reason = std::move(reason);
  memory_.ask = std::move(ask);
  retry_later();
  switch (goal()) {
    case Goal::Run:
    case Goal::Stop:
      return go(Step::RecordRefusal);
    case Goal::HelpRelease:
      memory_.refused = true;
      return go(Step::Report);
    case Goal::DestroyStale:
    case Goal::Nothing:
      return start_over();
  }
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

bool AgentVm::needs_storage_guard() const {
  return !settings_.hooks.empty() &&
         std::any_of(vm_->disks.begin(), vm_->disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Rbd; });
}

// Instances of this node that cannot live: recorded by an older boot, or of this boot and no process of the VM is here
// (this is only called after a probe said so).
std::vector<ClientInstance> AgentVm::own_dead() const {
  std::vector<ClientInstance> dead;
  const auto add = [&](const std::vector<ClientInstance>& instances) {
    dead.insert(dead.end(), instances.begin(), instances.end());
  };
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
  request.self = in_.self;
  request.own_addresses = in_.storage_addresses;
  request.own_dead = own_dead();
  if (owns()) request.covered = owner_->value.former;
  for (const auto& [name, node] : in_.view.nodes) {
    const Live* live = live_of(in_.view, node.value);
    if (name != in_.self.node && live && live->session) request.living[name] = node.value.storage_addresses;
  }
  for (const auto& [what, when] : memory_.first_seen) request.first_seen.push_back({what, in_.now - when});
  return request;
}

bool AgentVm::is_own_run() const {
  return run_ && owner_ && run_->value.generation == owner_->value.generation &&
         run_->value.life.node == in_.self.node && run_->value.life.boot == in_.self.boot;
}

RunRecord AgentVm::run_record(VmState state) const {
  RunRecord record;
  record.generation = owner_->value.generation;
  record.life = in_.self;
  record.state = state;
  record.attempt = run_ ? run_->value.attempt : 0;
  if (state == VmState::Stopped) return record;
  record.process = memory_.process;
  record.instances = memory_.instances;
  record.instances.insert(record.instances.end(), memory_.present.begin(), memory_.present.end());
  return record;
}

// No QEMU of this generation is known. What an earlier one left behind stays on record until it is seen gone.
RunRecord AgentVm::unstarted_record() const {
  RunRecord record;
  record.generation = owner_->value.generation;
  record.life = in_.self;
  record.state = memory_.goal == Goal::Stop ? VmState::Stopped : VmState::Starting;
  record.attempt = run_ ? run_->value.attempt : 0;
  if (run_ && run_->value.life.node == in_.self.node) record.instances = run_->value.instances;
  return record;
}

RunRecord AgentVm::refusal_record() const {
  RunRecord record = is_own_run() && memory_.domain != DomainState::Gone ? run_->value : unstarted_record();
  record.life = in_.self;
  record.reason = memory_.reason;
  record.attempt++;
  return record;
}

WriteRun AgentVm::write(RunRecord record) const {
  WriteRun act;
  act.record = std::move(record);
  if (run_) act.replaces = run_->version;
  act.owner_version = owner_->version;
  return act;
}

}  // namespace pvcd::logic
