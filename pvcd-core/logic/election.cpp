#include "logic/election.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

bool is_coordinator(const ElectionSettings& settings, const NodeName& node) {
  return std::find(settings.coordinators.begin(), settings.coordinators.end(), node) != settings.coordinators.end();
}

// Core and election may hang together while the keepalive lives: then the published age is what convicts them (rule 10).
bool holder_is_stale(const ClusterView& view, const LeaderRecord& leader, Microseconds decision_limit) {
  auto live = view.live.find({leader.node, leader.incarnation});
  if (live == view.live.end()) return false;
  auto core = live->second.value.units.find("core");
  return core != live->second.value.units.end() && core->second.age > 2 * decision_limit;
}

bool own_core_is_fit(const ClusterView& view, const Life& self, Microseconds decision_limit) {
  auto live = view.live.find({self.node, self.incarnation});
  if (live == view.live.end() || !live->second.session) return false;
  if (live->second.value.daemon_state != DaemonState::Run) return false;
  auto core = live->second.value.units.find("core");
  return core != live->second.value.units.end() && core->second.age <= decision_limit;
}

// A node that an administrator asked to become primary, if it is there to do it.
NodeName preferred(const ClusterView& view) {
  for (const auto& [id, job] : view.jobs) {
    if (job.value.type != "node-become-primary" || job.value.state == JobState::Finished) continue;
    auto node = view.nodes.find(job.value.object);
    if (node == view.nodes.end()) continue;
    const Live* live = live_of(view, node->second.value);
    if (live && live->session) return job.value.object;
  }
  return {};
}

}  // namespace

ElectionPlan decide_election(const ClusterView& view, const ElectionSettings& settings, const Life& self,
                             const ElectionMemory& memory, Instant now) {
  ElectionPlan plan{memory, std::nullopt};
  if (!view.complete) return plan;
  const LeaderRecord* primary = primary_of(view);
  const bool stale = primary && primary->node != self.node && holder_is_stale(view, *primary, settings.decision_limit);
  const bool vacant = !primary || stale;
  if (vacant && !memory.vacant) plan.next.vacant_since = now;
  plan.next.vacant = vacant;
  if (!vacant || !is_coordinator(settings, self.node) || !own_core_is_fit(view, self, settings.decision_limit)) return plan;

  const NodeName first = preferred(view);
  if (!first.empty() && first != self.node && now - plan.next.vacant_since < settings.preference_wait) return plan;

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
