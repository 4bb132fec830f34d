// Fencing must be known to work before the day it is needed: the BMC of each living node is asked now and then.

#include <algorithm>

#include "logic/round.hpp"
#include "logic/self_fence.hpp"

namespace pvcd::logic {
namespace {

bool is_alive(const Round& round, const NodeName& name) {
  return health(round.view(), round.next.sights, name, round.in.now, round.settings.suspect_after) == Health::Alive;
}

// The primary looks after the others. Its own BMC is another coordinator's business, as its death would be: that it can
// reach its own BMC says nothing of the others. Alone, it is better than nobody.
bool is_ours_to_verify(const Round& round, const NodeName& name) {
  const LeaderRecord* primary = primary_of(round.view());
  if (!primary) return false;
  const auto& coordinators = round.settings.coordinators;
  const auto other = std::find_if(coordinators.begin(), coordinators.end(),
                                  [&](const NodeName& one) { return one != primary->node && is_alive(round, one); });
  const bool its_own = name == primary->node;
  const NodeName& verifier = its_own && other != coordinators.end() ? *other : primary->node;
  return verifier == round.in.self.node;
}

// Without a BMC it could not be shut out of its disks, or another host would be.
std::string words_of_addresses(const Round& round, const NodeRecord& node) {
  const std::string no =
      round.settings.storage_fencer.empty() ? std::string() : objection_to_addresses(round.view(), node);
  return no.empty() ? no : "it could not be shut out of its disks: " + no;
}

ReadinessRecord readiness(const NodeRecord& node, const PowerReading& reading,
                          const std::vector<std::string>& objections) {
  ReadinessRecord record;
  record.boot = node.boot;
  record.fence_ready = reading.state == PowerState::On && objections.empty();
  if (reading.state == PowerState::Off)
    record.note = "its BMC reads off while it proves itself alive: the wrong BMC is configured";
  if (reading.state == PowerState::Unknown) record.note = "fencing it would fail: " + reading.note;
  for (const std::string& each : objections) record.note += (record.note.empty() ? "" : "; ") + each;
  return record;
}

// Here and below: of a node that is alive.
std::string words_of_watchdog(const Round& round, const NodeRecord& node) {
  return objection_of_watchdog(*live_of(round.view(), node));
}

// A host that sleeps looks like one that is over, and its BMC may read off. It wakes in the same boot, which there may
// be evidence about by then, and its VMs write on (safety rule 16).
std::string words_of_sleep(const Round& round, const NodeRecord& node) {
  const std::string& may_sleep = live_of(round.view(), node)->value.may_sleep;
  if (may_sleep.empty()) return {};
  return "it may be suspended or hibernated, and would write on in the same boot when it wakes: " + may_sleep +
         "; 'systemctl mask sleep.target' on it forbids that";
}

// What would stand in the way of a fence although its BMC answers. Not asked of every node in every round: addresses
// are compared with those of all others.
std::vector<std::string> objections_to(const Round& round, const NodeRecord& node) {
  std::vector<std::string> objections{words_of_watchdog(round, node), words_of_sleep(round, node),
                                      words_of_addresses(round, node)};
  std::erase(objections, "");
  return objections;
}

void note_readiness(Round& round, const PowerRead& read) {
  auto node = round.view().nodes.find(read.node);
  if (node == round.view().nodes.end() || !is_alive(round, read.node) || !is_ours_to_verify(round, read.node)) return;
  if (read.boot != node->second.value.boot) return;
  const bool may_be_dying = is_quiet(round.next.sights, read.node, round.in.now);
  if (may_be_dying && read.reading.state == PowerState::Off) return;  // which is no sign of a wrong BMC then
  const ReadinessRecord record = readiness(node->second.value, read.reading, objections_to(round, node->second.value));
  ReadinessAsked& asked = round.next.readiness_asked[read.node];
  asked.failures = record.fence_ready ? 0 : asked.failures + 1;
  auto known = round.view().readiness.find(read.node);
  if (known != round.view().readiness.end() && known->second.value == record) return;
  std::optional<Version> replaces;
  if (known != round.view().readiness.end()) replaces = known->second.version;
  round.plan(PutReadiness{"readiness/" + read.node, read.node, record, replaces},
             {record.fence_ready ? read.node + " can be fenced" : "warn that " + read.node + " cannot be fenced",
              record.fence_ready ? "its BMC answers, and reads on" : record.note,
              {},
              {}});
}

// One that could not be fenced is asked again soon, then less and less often.
Microseconds interval(const Round& round, const NodeRecord& node, const ReadinessAsked& asked) {
  auto known = round.view().readiness.find(node.name);
  const bool ready = known != round.view().readiness.end() && known->second.value.boot == node.boot &&
                     known->second.value.fence_ready && words_of_watchdog(round, node).empty() &&
                     words_of_sleep(round, node).empty();
  if (ready) return round.settings.readiness_interval;
  return std::min(back_off(round.settings, asked.failures), round.settings.readiness_interval);
}

void ask(Round& round, const NodeRecord& node) {
  auto known = round.next.readiness_asked.find(node.name);
  const bool asked = known != round.next.readiness_asked.end() && known->second.boot == node.boot;
  if (asked && round.in.now - known->second.at < interval(round, node, known->second)) return;
  if (!asked) known = round.next.readiness_asked.insert_or_assign(node.name, ReadinessAsked{node.boot, 0, 0}).first;
  known->second.at = round.in.now;
  round.plan(ReadPower{"ready/" + node.name, node.name, node.boot, node.system_uuid, true},
             {"ask the BMC of " + node.name, "fencing it must be known to work before the day it is needed", {}, {}});
}

}  // namespace

// Not while it is being fenced: then its BMC has something better to do.
void keep_readiness(Round& round) {
  for (const CoordinatorAnswer& answer : round.in.answers)
    if (const auto* read = std::get_if<PowerRead>(&answer)) note_readiness(round, *read);
  for (const auto& [name, node] : round.view().nodes)
    if (is_ours_to_verify(round, name) && is_alive(round, name) && !fence_is_open(round.view(), node.value))
      ask(round, node.value);
}

}  // namespace pvcd::logic
