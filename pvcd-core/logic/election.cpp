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

// The core of that node has decided within this time, so it has compared the store with what it remembers.
bool has_decided_within(const ClusterView& view, const NodeRecord& node, Microseconds time) {
  const Live* live = live_of(view, node);
  if (!live || !live->session) return false;
  const auto core = live->value.units.find("core");
  return core != live->value.units.end() && core->second.age < time;
}

// A node that was off while the store lost what others have seen cannot know it: it hears them first, who say so before
// they decide anything (safety rule 15).
bool has_heard_the_others(const ClusterView& view, const NodeName& self, Microseconds since_joined) {
  return std::all_of(view.nodes.begin(), view.nodes.end(), [&](const auto& node) {
    return node.first == self || has_decided_within(view, node.second.value, since_joined);
  });
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
  const bool fit = is_fit(view, self.node, self.incarnation, settings.decision_limit);
  if (memory.joined != self.incarnation) {
    plan.next.joined = self.incarnation;
    plan.next.joined_at = now;
  }
  if (!vacant || !is_coordinator(settings, self.node) || !fit) return plan;
  const Microseconds since_joined = now - plan.next.joined_at;
  if (since_joined < settings.hearing_wait && !has_heard_the_others(view, self.node, since_joined)) return plan;
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
