#include "logic/agent_vm.hpp"

#include <algorithm>
#include <utility>

#include "logic/liveness.hpp"
#include "logic/placement.hpp"
#include "logic/self_fence.hpp"
#include "logic/units.hpp"

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

// ------------------------------------------------------------------------------------------------- what is to be done

bool AgentVm::owns() const {
  return owner_ && !owner_->value.released && owner_->value.owner.node == in_.self.node &&
         owner_->value.owner.boot == in_.self.boot;
}

bool AgentVm::is_own_run() const {
  return run_ && run_->value.generation == memory_.generation && run_->value.life.node == in_.self.node &&
         run_->value.life.boot == in_.self.boot;
}

const Seen<JobRecord>* AgentVm::release_job() const {
  for (const auto& [id, job] : in_.view.jobs)
    if (id != memory_.answered_job && is_release_for(job.value, in_.self.node) && job.value.arguments.at("vm") == uuid_)
      return &job;
  return nullptr;
}

Goal AgentVm::goal() const {
  if (evidence_about(in_.view, in_.self.boot)) return Goal::DestroyStale;
  // A QEMU that lives here while the records call this life *released* contradicts them: it is left alone, its watcher
  // makes every start elsewhere refuse, and people decide.
  if (owns() && vm_->wanted == WantedState::Running) return memory_.gives_back.empty() ? Goal::Run : Goal::GiveBack;
  if (owns()) return Goal::Stop;
  return release_job() ? Goal::HelpRelease : Goal::Nothing;
}

// Placement takes a host where it has failed last of all: the second time here, no other fits.
bool AgentVm::is_last_resort() const {
  const auto& failed_on = owner_->value.failed_on;
  const bool nowhere_else = is_pinned(*vm_) || vm_->node_limit == std::vector<NodeName>{in_.self.node};
  return nowhere_else || std::find(failed_on.begin(), failed_on.end(), in_.self.node) != failed_on.end();
}

// --------------------------------------------------------------------------------------------------------- its turn

bool AgentVm::is_starting() const {
  switch (memory_.step) {
    case Step::Hooks:
    case Step::Create:
    case Step::Identify:
    case Step::RecordStart:
    case Step::Resume:
    case Step::RecordRunning:
      return memory_.goal == Goal::Run;
    default:
      return false;
  }
}

// What is on the hypervisor's list is only adopted, unless a look has said otherwise.
bool AgentVm::wants_to_start() const {
  if (in_.stopping || has_to_wait() || goal() != Goal::Run) return false;
  const auto fact = in_.domains.find(uuid_);
  const bool listed = fact != in_.domains.end() && fact->second != DomainState::Gone;
  const bool looked = memory_.step == Step::Idle || memory_.step == Step::RecordTurn;
  return looked ? !memory_.process : memory_.step == Step::Look && !listed;
}

// Told once; what was seen before is looked at again when its turn has come.
void AgentVm::await_turn() {
  memory_.waits_for_turn = true;
  memory_.reason = "it waits for its turn: " + in_.self.node + " starts " + std::to_string(settings_.starts_at_once) +
                   " VMs at the same time";
  if (!is_own_run() || run_->value.reason != memory_.reason) go(Step::RecordTurn);
}

// --------------------------------------------------------------------------------------------- which step comes next

void AgentVm::advance(bool has_turn) {
  has_turn_ = has_turn;
  // A resume writes nothing, and the transaction before it has just checked the ownership.
  if (memory_.under_way || (memory_.step != Step::Resume && !sees_own_write())) return;
  notice_goal();
  notice_releases();
  const bool own = memory_.goal == Goal::Run || memory_.goal == Goal::Stop || memory_.goal == Goal::GiveBack;
  if (own && owner_->value.owner.incarnation != in_.self.incarnation) go(Step::Readopt);
  if (has_to_wait()) return;
  if (memory_.step == Step::Running && may_be_gone()) start_over();
  if (memory_.step == Step::Running && release_job()) choose_run();
  if (memory_.step == Step::AwaitShutdown) await_shutdown();
  if (memory_.step == Step::Idle) choose();
  if (memory_.step == Step::Running || memory_.step == Step::AwaitShutdown) notice_plugged();
  if (!has_to_wait()) plan_step();
}

// What was begun for another goal, or another generation, ends where it is; what to do next is taken from what is seen
// then. A guest that has been asked to shut down is waited for even when it is wanted again: it may be half-way.
void AgentVm::notice_goal() {
  const Generation generation = owner_ ? owner_->value.generation : 0;
  const bool same_generation = generation == std::exchange(memory_.generation, generation);
  if (!same_generation || goal() == Goal::Stop) forget_failed_starts();
  const Goal now = goal();
  if (std::exchange(memory_.goal, now) != now || !same_generation) {
    memory_.not_before = 0;
    memory_.failures = 0;
    memory_.crashes = 0;
    if (memory_.step == Step::AwaitShutdown && now == Goal::Run && same_generation) return;
    memory_.shutdown_asked.reset();
    start_over();
  }
  if (in_.stopping && memory_.step == Step::Hooks) start_over();
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

bool AgentVm::sees_own_write() {
  if (!memory_.own_write) return true;
  const OwnWrite& written = *memory_.own_write;
  const bool run_seen = run_ && (!written.run || run_->version > *written.run);
  const bool owner_seen = !written.owner || (owner_ && owner_->version > *written.owner);
  if (!(run_seen && owner_seen) && in_.now < written.limit) return false;
  memory_.own_write.reset();
  return true;
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
    case Goal::GiveBack:
      return choose_give_back();
    case Goal::DestroyStale:
      if (memory_.process) return go(Step::Destroy);
      if (may_have_come()) start_over();
      return;
    case Goal::HelpRelease:
      if (in_.stopping) return;
      if (!memory_.process) return go(Step::Hooks);
      return refuse_release("QEMU " + std::to_string(memory_.process->pid) + " of " + vm_->name + " lives on " +
                            in_.self.node + ", and nobody has asked " + in_.self.node + " to stop it");
    case Goal::Nothing:
      return;
  }
}

void AgentVm::choose_run() {
  if (in_.stopping) return;
  if (release_job()) return refuse_release(vm_->name + " is " + in_.self.node + "'s, and is to run there");
  // Whatever was waited for stays remembered; the rest of a former start does not.
  memory_.present.clear();
  memory_.proceeded.clear();
  memory_.file_systems.clear();
  memory_.instances.clear();
  if (!memory_.process) return choose_start();
  const bool is_recorded = is_own_run() && run_->value.process == memory_.process;
  const bool recorded_running = is_recorded && run_->value.state == VmState::Running;
  if (recorded_running && run_->value.reason.empty()) return rest();
  // Neither beside it nor on top of it: whether its CPUs ever ran decides what is to be done with it.
  if (memory_.domain == DomainState::Unknown)
    return refuse("it lives, but it is not known whether it runs or is paused: " + memory_.note);
  // A paused domain is one whose start was interrupted: its CPUs never ran, so nothing is lost by starting it again
  // through the hooks.
  if (memory_.domain == DomainState::Paused && !recorded_running) return go(Step::Destroy);
  if (is_recorded) memory_.instances = run_->value.instances;
  go(recorded_running || !memory_.instances.empty() ? Step::RecordRunning : Step::Identify);
}

void AgentVm::choose_start() {
  if (has_failed()) return begin_anew();
  const std::string unarmed = settings_.needs_watchdog ? objection_of_watchdog(in_.view, in_.self) : "";
  if (!unarmed.empty()) return refuse(in_.self.node + " starts no VM: " + unarmed);
  // This node's configuration may be older than the VM.
  if (has_shared_files(*vm_) && std::ranges::count(settings_.hooks, shared_files_hook) == 0) {
    refuse(in_.self.node + " does not look at shared files: [hooks] vm_pre_start does not name " + shared_files_hook);
    return note_failed_start(memory_.reason);
  }
  if (!has_turn_) return await_turn();
  if (std::exchange(memory_.waits_for_turn, false)) return start_over();
  go(Step::Hooks);
}

// It has had its pause, and has just been looked at.
void AgentVm::begin_anew() {
  memory_.gives_back = "no host could start it: all are tried again";
  memory_.goal = Goal::GiveBack;
  choose_give_back();
}

void AgentVm::forget_failed_starts() {
  memory_.failed_starts = 0;
  memory_.gives_back.clear();
}

// One that lives here after all, of a create that came late or by somebody's hand, is not given back.
void AgentVm::choose_give_back() {
  if (!memory_.process) return choose_stop();
  forget_failed_starts();
  memory_.goal = Goal::Run;
  choose_run();
}

void AgentVm::choose_stop() {
  if (in_.stopping) return;
  if (!memory_.process && memory_.looked_at < creates_end_at()) {
    memory_.not_before = creates_end_at();
    return start_over();
  }
  if (!memory_.process) return go(Step::BreakInstances);
  if (vm_->off_at_once || memory_.domain == DomainState::Paused) return go(Step::Destroy);
  go(memory_.shutdown_asked ? Step::AwaitShutdown : Step::AskShutdown);
}

void AgentVm::await_shutdown() {
  const bool overdue = in_.now - memory_.shutdown_asked.value() > settings_.shutdown_timeout;
  if (memory_.goal == Goal::Stop && (vm_->off_at_once || overdue)) return go(Step::Destroy);
  if (overdue || may_be_gone()) return start_over();
  const bool again = memory_.shutdown_again && in_.now >= *memory_.shutdown_again;
  if (again && memory_.goal == Goal::Stop && !in_.stopping) go(Step::AskShutdown);
}

void AgentVm::rest() {
  if (!memory_.running_since) memory_.running_since = in_.now;
  go(Step::Running);
}

// A create that was given up (timeout, plugin killed, libvirtd frozen) must not happen after a release: another node
// would start the VM beside it. Four things see to that.
// 1. It cannot begin late: its permit ends within act_limit of the request, and is checked when the plugin takes it up,
//    just before libvirt is called, and by libvirt's hook, in whatever moment a frozen libvirtd comes to it.
// 2. What passed the last check in time shows its process before create_ends_at, and only a probe that was asked for
//    after that counts as "not here".
// 3. A core that has restarted does not remember the create, but the plugin answers its probe only after the create has
//    ended and its token is taken back; a plugin that has restarted has forgotten all tokens. What passed the last
//    check before that is waited for from the core's start on as from an answer.
// 4. Whatever came later still would stand still: it is created paused, and its CPUs run only after a transaction that
//    fails once the ownership has moved.
// A start on this node needs no such wait: libvirt refuses a second domain of one UUID.
Instant AgentVm::creates_end_at() const {
  return std::max(memory_.create_ends_at.value_or(0), memory_.former_create_ends_at);
}

// The hypervisor's list is complete: what is not on it is not there as far as it knows. Only a probe decides.
bool AgentVm::may_be_gone() {
  auto fact = in_.domains.find(uuid_);
  return doubts(fact == in_.domains.end() || fact->second == DomainState::Gone);
}

bool AgentVm::may_have_come() {
  auto fact = in_.domains.find(uuid_);
  return doubts(fact != in_.domains.end() && fact->second != DomainState::Gone);
}

bool AgentVm::doubts(bool contradicted) {
  if (!contradicted) memory_.doubted_at.reset();
  // Again after a while: the fact may have been wrong the first time and be right now.
  if (!contradicted || (memory_.doubted_at && in_.now < *memory_.doubted_at + settings_.retry_min)) return false;
  memory_.doubted_at = in_.now;
  return true;
}

void AgentVm::go(Step step) {
  if (step == Step::Hooks || step == Step::Identify || step == Step::IdentifyPlugged || step == Step::BreakInstances)
    memory_.hook = 0;
  memory_.step = step;
}

Microseconds AgentVm::backoff(std::uint32_t failures) const {
  Microseconds wait = settings_.retry_min;
  for (std::uint32_t i = 0; i < failures && wait < settings_.retry_max; ++i) wait *= 2;
  return std::min(wait, settings_.retry_max);
}

void AgentVm::retry_later() { memory_.not_before = in_.now + backoff(memory_.failures++); }

// It cannot be done now: told, and tried again later. Nothing but an owner records anything about its VM.
void AgentVm::refuse(std::string reason, NodeName ask) {
  retry_later();
  const Goal now = goal();
  if (now == Goal::HelpRelease) return refuse_release(std::move(reason));
  memory_.reason = std::move(reason);
  memory_.ask = std::move(ask);
  go(now == Goal::Run || now == Goal::Stop || now == Goal::GiveBack ? Step::RecordRefusal : Step::Look);
}

void AgentVm::refuse_release(std::string reason) {
  memory_.reason = std::move(reason);
  memory_.refused = true;
  go(Step::Report);
}

}  // namespace pvcd::logic
