#include "logic/liveness.hpp"

namespace pvcd::logic {
namespace {

const Live* live_in_boot(const ClusterView& view, const NodeName& name, const BootId& boot) {
  auto node = view.nodes.find(name);
  return node == view.nodes.end() || node->second.value.boot != boot ? nullptr : live_of(view, node->second.value);
}

}  // namespace

Sights look(const ClusterView& view, const Sights& before, Instant now) {
  Sights sights;
  for (const auto& [name, node] : view.nodes) {
    Sight sight{node.value.incarnation, 0, now, false, DaemonState::Unknown};
    auto known = before.find(name);
    if (known != before.end() && known->second.incarnation == sight.incarnation) sight = known->second;
    if (const Live* live = live_of(view, node.value)) {
      if (live->value.counter != sight.counter) sight.first_seen = now;
      sight.counter = live->value.counter;
      sight.met = true;
      sight.last_word = live->value.daemon_state;
    }
    sights[name] = sight;
  }
  return sights;
}

Microseconds silence(const Sights& sights, const NodeName& node, Instant now) {
  auto found = sights.find(node);
  return found == sights.end() || found->second.first_seen > now ? 0 : now - found->second.first_seen;
}

Health health(const ClusterView& view, const Sights& sights, const NodeName& name, Instant now,
              Microseconds suspect_after) {
  auto node = view.nodes.find(name);
  if (node == view.nodes.end()) return Health::Unknown;
  if (evidence_about(view, node->second.value.boot)) return Health::Dead;
  if (view.broken.contains("/live/" + name + "." + std::to_string(node->second.value.incarnation)))
    return Health::Unknown;
  const Live* live = live_of(view, node->second.value);
  const bool met = sights.contains(name) && sights.at(name).met;
  if (!live && !met && silence(sights, name, now) <= suspect_after) return Health::Unknown;
  if (!live || !live->session) return Health::Lost;
  return silence(sights, name, now) > suspect_after ? Health::Suspect : Health::Alive;
}

DaemonState last_word(const Sights& sights, const NodeName& name) {
  auto found = sights.find(name);
  return found == sights.end() ? DaemonState::Unknown : found->second.last_word;
}

bool shows_life(const ClusterView& view, const NodeName& name, const BootId& boot) {
  const Live* live = live_in_boot(view, name, boot);
  return live && live->session;
}

bool has_left(const ClusterView& view, const Life& life) {
  const Live* live = live_in_boot(view, life.node, life.boot);
  if (!live || live->session) return false;
  return live->value.daemon_state == DaemonState::Left || live->value.daemon_state == DaemonState::Stop;
}

const EvidenceRecord* evidence_about(const ClusterView& view, const BootId& boot) {
  auto found = view.evidence.find(boot);
  return found == view.evidence.end() ? nullptr : &found->second.value;
}

}  // namespace pvcd::logic
