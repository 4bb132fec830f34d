#include "logic/coordinator.hpp"

#include <algorithm>

#include "logic/round.hpp"

namespace pvcd::logic {
namespace {

// A BMC that answers is asked often, but not for as long as a host that has left may stay away. One that does not
// answer is left alone a little longer each time.
void set_next_read(PowerHistory& history, PowerState state, const CoordinatorSettings& settings, Instant now) {
  history.silent_reads = history.answers ? 0 : history.silent_reads + 1;
  if (history.answers) {
    const bool stays_on = state == PowerState::On && !history.attempt_began && now - history.began > settings.hurry;
    history.next_read = *history.read_at + (stays_on ? settings.calm_read_interval : settings.read_interval);
    return;
  }
  Microseconds wait = settings.read_interval;
  for (std::uint32_t i = 1; i < history.silent_reads && wait < settings.silent_read_wait; ++i) wait *= 2;
  history.next_read = now + std::min(wait, settings.silent_read_wait);
}

// The same read may come for as long as a node stays off. The first fact is there from the beginning.
void note_fact(PowerHistory& history, std::string fact) {
  if (history.facts.back() != fact) history.facts.push_back(std::move(fact));
}

// Off was read after our own off, within the same attempt: none is accepted without one.
bool is_proven(const Round& round, const PowerHistory& history, Instant read_off_at) {
  return history.off_accepted && read_off_at > *history.off_accepted &&
         read_off_at - history.attempt_began.value() <= round.settings.fence_deadline;
}

void note_power_read(Round& round, const PowerRead& read) {
  auto found = round.next.power.find(read.node);
  if (found == round.next.power.end()) return;
  PowerHistory& history = found->second;
  if (read.boot != history.victim.boot) return;
  history.read_at = read.asked_at;
  history.answers = read.reading.state != PowerState::Unknown;
  set_next_read(history, read.reading.state, round.settings, round.in.now);
  if (read.reading.state == PowerState::Off) {
    if (read.asked_at < history.began) return;  // the node showed life since
    // A row with a hole is none: nobody looked while it may have been on.
    const bool hole = history.latest_off && read.asked_at - *history.latest_off > read_hole_max;
    if (!history.first_off || hole) history.first_off = read.asked_at;
    history.latest_off = read.asked_at;
    // What a suspect waits for comes no later than it may.
    const Instant confirms = *history.first_off + round.settings.off_confirm_gap;
    if (confirms > read.asked_at) history.next_read = std::min(history.next_read, confirms);
    history.proven = history.proven || is_proven(round, history, read.asked_at);
    note_fact(history, "the BMC of " + read.node + " read off" + (history.off_accepted ? " after our off" : ""));
  } else {
    history.first_off.reset();
    history.latest_off.reset();
    history.note =
        read.reading.state == PowerState::On ? "the BMC reads on" : "the BMC gives no answer: " + read.reading.note;
  }
}

void note_power_act(Round& round, const PowerActed& acted) {
  auto found = round.next.power.find(acted.victim.node);
  if (found == round.next.power.end()) return;
  PowerHistory& history = found->second;
  if (acted.victim != history.victim || acted.asked_at < history.began) return;  // it is about an earlier reason
  if (acted.answer.outcome == Outcome::Done) {
    history.off_accepted = acted.at;
    if (!history.attempt_began) {  // it was given up: it goes on, is read at once, and may fail
      history.attempt_began = acted.at;
      history.not_before = std::min(history.not_before, acted.at);
    }
    note_fact(history, "off sent to the BMC of " + acted.victim.node + " and accepted");
  } else {
    fail_attempt(history, round.settings, round.in.now, acted.answer.note);
  }
}

void take_answers(Round& round) {
  for (const CoordinatorAnswer& answer : round.in.answers) {
    if (const auto* read = std::get_if<PowerRead>(&answer)) note_power_read(round, *read);
    if (const auto* acted = std::get_if<PowerActed>(&answer)) note_power_act(round, *acted);
    if (const auto* acted = std::get_if<StorageActed>(&answer)) note_storage_act(round, *acted);
    if (const auto* done = std::get_if<Done>(&answer)) round.next.under_way.erase(done->key);
  }
}

}  // namespace

Microseconds back_off(const CoordinatorSettings& settings, std::uint32_t failures) {
  Microseconds wait = settings.retry_min;
  for (std::uint32_t i = 1; i < failures && wait < settings.retry_max; ++i) wait *= 2;
  return std::min(wait, settings.retry_max);
}

void forget_reads(PowerHistory& history) {
  history.first_off.reset();
  history.latest_off.reset();
  history.answers = false;
}

void fail_attempt(PowerHistory& history, const CoordinatorSettings& settings, Instant now, const std::string& note) {
  history.failures++;
  history.attempt_began.reset();
  history.off_accepted.reset();
  forget_reads(history);
  history.not_before = now + back_off(settings, history.failures);
  history.note = note;
  if (history.facts.size() > 1) history.facts.resize(1);  // what the attempt saw is no fact of the next one
}

const std::string& key_of(const CoordinatorAct& act) {
  return std::visit([](const auto& one) -> const std::string& { return one.key; }, act);
}

CoordinatorPlan decide_coordinator(const CoordinatorInput& in, const CoordinatorSettings& settings,
                                   const CoordinatorMemory& memory) {
  Round round{in, settings, memory, {}};
  take_answers(round);
  round.next.sights = look(in.view, memory.sights, in.now, in.heard);
  note_hiccups(round.next.sights, memory.sights, in.self.node, in.now, settings.suspect_after);
  note_who_fell_silent(round);
  if (in.view.complete && in.may_act && !evidence_about(in.view, in.self.boot)) {
    gather_evidence(round);
    keep_readiness(round);
    if (in.primary) {
      assign_vms(round);
      tell_waiting(round);
      carry_out_jobs(round);
      drop_settled(round);
    }
  }
  return {std::move(round.next), std::move(round.actions)};
}

std::optional<Instant> next_due(const CoordinatorMemory& memory, Instant now, const CoordinatorSettings& settings) {
  std::optional<Instant> due;
  const auto at = [&](Instant one) {
    if (one > now && (!due || one < *due)) due = one;
  };
  for (const auto& [name, sight] : memory.sights) {
    if (sight.heard) at(std::max(*sight.heard, sight.first_seen) + quiet_after + 1);
    if (is_quiet(memory.sights, name, now)) at(sight.first_seen + suspect_when_quiet(settings.suspect_after) + 1);
  }
  for (const auto& [name, history] : memory.power) at(history.next_read);
  return due;
}

}  // namespace pvcd::logic
