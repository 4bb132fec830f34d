// What an answer means: each moves the step on, or tells why not and when to try again.
#include <algorithm>
#include <utility>

#include "logic/agent_vm.hpp"

namespace pvcd::logic {
namespace {

// The mirror follows a write within moments. Later the record was removed, and made anew by others.
constexpr Microseconds own_write_limit = seconds(5);

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

}  // namespace

void AgentVm::take(const AgentResult& result) {
  memory_.under_way = false;
  if (!vm_) {  // its record cannot be read now: what was asked for is looked for when it can be
    if (std::holds_alternative<CreateAnswer>(result)) memory_.create_ends_at = create_limit();
    return start_over();
  }
  if (const auto* probe = std::get_if<DomainProbe>(&result)) take_probe(*probe);
  if (const auto* verdict = std::get_if<HookVerdict>(&result)) take_verdict(*verdict);
  if (const auto* created = std::get_if<CreateAnswer>(&result)) take_created(*created);
  if (const auto* identified = std::get_if<Identified>(&result)) take_identified(*identified);
  if (const auto* answer = std::get_if<Answer>(&result)) take_answer(*answer);
  if (const auto* written = std::get_if<Written>(&result)) take_written(*written);
}

void AgentVm::take_probe(const DomainProbe& probe) {
  memory_.domain = probe.state;
  memory_.note = probe.note;
  if (probe.state == DomainState::Gone) return take_gone();
  if (!probe.process) return refuse("it is not known whether it runs here: " + probe.note);
  memory_.process = probe.process;
  memory_.create_ends_at.reset();  // it has happened; no other was asked for since
  memory_.former_create_ends_at = 0;
  go(Step::Idle);
}

void AgentVm::take_gone() {
  memory_.process.reset();
  memory_.plugged.clear();
  const bool asked = std::exchange(memory_.shutdown_asked, std::nullopt).has_value();
  const auto since = std::exchange(memory_.running_since, std::nullopt);
  go(Step::Idle);
  if (since && !asked && goal() == Goal::Run) take_crash(in_.now - *since);
}

// One crash is answered at once. One that follows soon after a start will not be the last.
void AgentVm::take_crash(Microseconds ran) {
  memory_.crashes = ran < settings_.settled_after ? memory_.crashes + 1 : 1;
  if (memory_.crashes == 1) return;
  memory_.failures = memory_.crashes - 2;
  refuse("its QEMU ended " + std::to_string(memory_.crashes) + " times in a row, the last time " +
         std::to_string(ran / seconds(1)) + " s after it was started; it is started again in " +
         std::to_string(backoff(memory_.failures) / seconds(1)) + " s");
}

// What a hook waits for is forgotten as soon as it does not name it: since then it may have shown life. No answer names
// nothing: a plugin that restarts must not let the wait begin anew.
void AgentVm::take_verdict(const HookVerdict& verdict) {
  if (verdict.verdict == Verdict::Proceed || verdict.verdict == Verdict::Refuse) memory_.first_seen.erase(hook());
  switch (verdict.verdict) {
    case Verdict::Proceed:
      memory_.present.insert(memory_.present.end(), verdict.present.begin(), verdict.present.end());
      memory_.file_systems.insert(memory_.file_systems.end(), verdict.file_systems.begin(), verdict.file_systems.end());
      if (!verdict.reason.empty()) memory_.proceeded.push_back(hook() + ": " + verdict.reason);
      memory_.refused = false;
      memory_.hook++;
      return;
    case Verdict::Refuse:
      refuse(verdict.reason, verdict.ask);
      if (verdict.elsewhere && owns()) note_failed_start(verdict.reason);
      return;
    case Verdict::Wait:
      return take_wait(verdict);
    case Verdict::Unknown:
      return refuse("hook " + hook() + " gave no answer: " + verdict.reason);
  }
}

void AgentVm::take_wait(const HookVerdict& verdict) {
  FirstSights& seen = memory_.first_seen[hook()];
  FirstSights still;
  for (const std::string& what : verdict.wait_for) {
    auto before = seen.find(what);
    still[what] = before == seen.end() ? in_.now : before->second;
  }
  seen = std::move(still);
  if (goal() == Goal::HelpRelease)
    start_over();
  else
    refuse("waiting for " + joined(verdict.wait_for) + ": " + verdict.reason);
  memory_.failures = 0;
  memory_.not_before = in_.now + std::max(verdict.wait, settings_.retry_min);
}

// However long the create waited for its turn, it was not sent after its answer.
Instant AgentVm::create_limit() const { return in_.now + settings_.act_limit + create_settles; }

void AgentVm::take_created(const CreateAnswer& created) {
  if (created.outcome == Outcome::Done && created.process) {
    memory_.create_ends_at.reset();
    memory_.process = created.process;
    memory_.domain = DomainState::Paused;
    memory_.unrecorded.clear();
    forget_failed_starts();
    return go(Step::Identify);
  }
  if (created.outcome != Outcome::Refused) {
    memory_.create_ends_at = create_limit();
    return refuse("the hypervisor gave no answer: " + created.note);
  }
  refuse("libvirt did not create it: " + created.note);
  // What was asked for before and gave no answer may still happen: perhaps it is what libvirt refuses this one for.
  const bool own_may_come = memory_.looked_at < memory_.create_ends_at.value_or(0);
  if (!created.process && !own_may_come && owns()) note_failed_start(memory_.reason);
}

// Here once more, then elsewhere. Where nowhere else is left, more often; then people are told that it has failed.
void AgentVm::note_failed_start(const std::string& because) {
  ++memory_.failed_starts;
  const std::string times = std::to_string(memory_.failed_starts) + " times";
  const std::string failed = "it could not be started on " + in_.self.node + ", tried " + times + ": " + because;
  if (!is_last_resort()) {
    if (memory_.failed_starts >= failed_starts_max) memory_.gives_back = failed;
    return;
  }
  if (!has_failed()) return;
  std::vector<std::string> before = owner_->value.failed_on;
  std::erase(before, in_.self.node);
  memory_.reason = failed + (before.empty() ? "" : "; before on " + joined(before)) +
                   "; it is tried from the beginning in " + std::to_string(settings_.retry_max / seconds(1)) + " s";
  memory_.not_before = in_.now + settings_.retry_max;
}

void AgentVm::take_identified(const Identified& identified) {
  if (memory_.step == Step::IdentifyPlugged) return take_plugged(identified);
  if (identified.outcome == Outcome::Done) {
    memory_.instances.insert(memory_.instances.end(), identified.instances.begin(), identified.instances.end());
    memory_.unrecorded = memory_.instances;
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
      return take_shutdown(answer);
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

// The guest's time runs from the first try. One that was not reached is asked again: it must not be destroyed because
// libvirt was restarting just then. Nothing else is put off until then: it may go, or people may want it off at once.
void AgentVm::take_shutdown(const Answer& answer) {
  if (!memory_.shutdown_asked) memory_.shutdown_asked = in_.now;
  memory_.shutdown_again.reset();
  if (answer.outcome != Outcome::Done) {
    memory_.shutdown_again = in_.now + backoff(memory_.failures++);
    memory_.reason = answer.note;
  }
  go(Step::AwaitShutdown);
}

void AgentVm::take_written(const Written& written) {
  if (!written.ok) {
    memory_.own_write.reset();
    memory_.answered_job.reset();
    memory_.reason = written.note;
    retry_later();
    return start_over();
  }
  if (memory_.own_write) memory_.own_write->limit = in_.now + own_write_limit;
  switch (memory_.step) {
    case Step::RecordStart:
      memory_.unrecorded.clear();
      return go(Step::Resume);
    case Step::RecordRunning:
      memory_.failures = 0;
      memory_.reason.clear();
      memory_.first_seen.clear();
      return rest();
    case Step::RecordPlugged:
      memory_.unrecorded.clear();
      return end_plugging();
    case Step::RecordRefusal:
      ask_for_release();
      return start_over();
    case Step::RecordTurn:
      return go(Step::Idle);
    default:
      return start_over();
  }
}

}  // namespace pvcd::logic
