#include "logic/liveness.hpp"

namespace pvcd::logic {

Sights look(const ClusterView& view, const Sights& before, Instant now) {
  Sights sights;
  for (const auto& [name, node] : view.nodes) {
    const Live* live = live_of(view, node.value);
    Sight sight{node.value.incarnation, live ? live->value.counter : 0, now};
    auto known = before.find(name);
    if (known != before.end() && known->second.incarnation == sight.incarnation && known->second.counter == sight.counter)
      sight.first_seen = known->second.first_seen;
    sights[name] = sight;
  }
  return sights;
}

Microseconds silence(const Sights& sights, const NodeName& node, Instant now) {
  auto found = sights.find(node);
  return found == sights.end() || found->second.first_seen > now ? 0 : now - found->second.first_seen;
}

Health health(const ClusterView& view, const Sights& sights, const NodeName& name, Instant now, Microseconds suspect_after) {
  auto node = view.nodes.find(name);
  if (node == view.nodes.end()) return Health::Unknown;
  if (evidence_about(view, node->second.value.boot)) return Health::Dead;
  const Live* live = live_of(view, node->second.value);
  if (!live || !live->session) return Health::Lost;
  return silence(sights, name, now) > suspect_after ? Health::Suspect : Health::Alive;
}

DaemonState last_word(const ClusterView& view, const NodeName& name) {
  auto node = view.nodes.find(name);
  if (node == view.nodes.end()) return DaemonState::Unknown;
  const Live* live = live_of(view, node->second.value);
  return live ? live->value.daemon_state : DaemonState::Unknown;
}

const EvidenceRecord* evidence_about(const ClusterView& view, const BootId& boot) {
  auto found = view.evidence.find(boot);
  return found == view.evidence.end() ? nullptr : &found->second.value;
}

}  // namespace pvcd::logic
