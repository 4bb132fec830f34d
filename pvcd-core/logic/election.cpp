#include "logic/election.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

bool is_coordinator(const ElectionSettings& settings, const NodeName& node) {
  return std::find(settings.coordinators.begin(), settings.coordinators.end(), node) != settings.coordinators.end();
}

// Core and election may hang together while the keepalive lives: then the published age is what convicts them (rule
// 10).
bool holder_is_stale(const ClusterView& view, const LeaderRecord& leader, Microseconds decision_limit) {
  const auto& units = view.live.at({leader.node, leader.incarnation}).value.units;
  auto core = units.find("core");
  return core != units.end() && core->second.age > 2 * decision_limit;
}

// Its session is there and its core decides.
bool is_fit(const ClusterView& view, const NodeName& node, Incarnation incarnation, Microseconds decision_limit) {
  auto live = view.live.find({node, incarnation});
  if (live == view.live.end() || !live->second.session) return false;
  if (live->second.value.daemon_state != DaemonState::Run) return false;
  auto core = live->second.value.units.find("core");
  return core != live->second.value.units.end() && core->second.age <= decision_limit;
}

// An administrator asked for another node that can do it, or asked this one to step down.
bool others_are_preferred(const ClusterView& view, const ElectionSettings& settings, const NodeName& self) {
  for (const auto& [id, job] : view.jobs) {
    if (job.value.state == JobState::Finished) continue;
    if (job.value.type == "node-step-down" && job.value.object == self) return true;
    if (job.value.type != "node-become-primary") continue;
    auto node = view.nodes.find(job.value.object);
    if (node == view.nodes.end() || !is_coordinator(settings, node->first)) continue;
    if (is_fit(view, node->first, node->second.value.incarnation, settings.decision_limit)) return node->first != self;
  }
  return false;
}

// A core reports for so long after it has last decided.
constexpr Microseconds report_after_decision_max = seconds(2);

// It has decided since this node is back, by a heartbeat that came since: so its core has compared the store with what
// it remembers. What was found may be a copy of what was true on an older day.
bool is_heard(const ClusterView& view, const NodeName& name, const ElectionMemory& memory) {
  const auto node = view.nodes.find(name);
  const Live* live = node == view.nodes.end() ? nullptr : live_of(view, node->second.value);
  if (!live || !live->session) return false;
  const auto core = live->value.units.find("core");
  if (core == live->value.units.end() || core->second.state != "running") return false;
  return core->second.age + report_after_decision_max < memory.beats.at(name).seen_at - memory.back_since;
}

bool are_heard(const ClusterView& view, const ElectionSettings& settings, const NodeName& self,
               const ElectionMemory& memory) {
  const auto heard = [&](const NodeName& name) { return name == self || is_heard(view, name, memory); };
  return std::all_of(settings.coordinators.begin(), settings.coordinators.end(), heard) &&
         std::all_of(view.nodes.begin(), view.nodes.end(), [&](const auto& node) { return heard(node.first); });
}

void see_beats(const ClusterView& view, Instant now, std::map<NodeName, Beat>& beats) {
  for (const auto& [name, node] : view.nodes) {
    const Live* live = live_of(view, node.value);
    if (!live) continue;
    const auto [beat, is_new] = beats.try_emplace(name, Beat{live->version, now});
    if (!is_new && beat->second.version != live->version) beat->second = {live->version, now};
  }
}

// A node that was away while the store lost what others have seen cannot know it: it hears them first, who say so
// before they decide anything (rule 15). Who cannot be heard is waited for as long as a client may need that the
// servers turn away, because it knows more than they do (store/zookeeper_probe.hpp).
void hear(const ElectionInput& in, const ElectionSettings& settings, ElectionMemory& memory) {
  const bool joined = memory.joined != in.self.incarnation;
  const bool was_away = memory.joined != 0 && in.now - memory.whole_at > settings.away_limit;
  memory.whole_at = in.now;
  if (joined || was_away) {
    memory.joined = in.self.incarnation;
    memory.must_hear = true;
    memory.back_since = in.now;
    memory.beats.clear();
  }
  if (!memory.must_hear) return;
  see_beats(in.view, in.now, memory.beats);
  const bool waited = in.now - memory.back_since >= settings.hearing_wait;
  if (!waited && !are_heard(in.view, settings, in.self.node, memory)) return;
  memory.must_hear = false;
  memory.beats.clear();
}

}  // namespace

ElectionPlan decide_election(const ElectionInput& in, const ElectionSettings& settings, const ElectionMemory& memory) {
  const auto& [view, self, now] = in;
  ElectionPlan plan{memory, std::nullopt};
  if (!view.complete) return plan;
  const LeaderRecord* primary = primary_of(view);
  const bool stale = primary && holder_is_stale(view, *primary, settings.decision_limit);
  const bool vacant = !primary || stale;
  if (vacant && !memory.vacant) plan.next.vacant_since = now;
  plan.next.vacant = vacant;
  if (settings.hearing_wait > 0) hear(in, settings, plan.next);
  if (plan.next.must_hear || !vacant || !is_coordinator(settings, self.node) ||
      !is_fit(view, self.node, self.incarnation, settings.decision_limit))
    return plan;
  if (others_are_preferred(view, settings, self.node) && now - plan.next.vacant_since < settings.preference_wait)
    return plan;

  ClaimRequest claim;
  claim.self = self;
  claim.holder_stale = stale;
  if (view.leader) {
    claim.leader_version = view.leader->version;
    claim.expected = view.leader->value;
  }
  plan.claim = claim;
  return plan;
}

}  // namespace pvcd::logic
