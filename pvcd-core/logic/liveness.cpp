#include "logic/liveness.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

const Live* live_in_boot(const ClusterView& view, const NodeName& name, const BootId& boot) {
  auto node = view.nodes.find(name);
  return node == view.nodes.end() || node->second.value.boot != boot ? nullptr : live_of(view, node->second.value);
}

// How long its heartbeat had been silent when it came back in this look; nothing: it did not come back, or it had left
// in order.
std::optional<Microseconds> silence_that_ended(const Sights& now_seen, const Sights& before, const NodeName& name,
                                               Instant now, Microseconds suspect_after) {
  auto then = before.find(name);
  if (then == before.end() || !then->second.met || now_seen.at(name).first_seen != now) return std::nullopt;
  if (is_leaving(then->second.last_word)) return std::nullopt;
  const Microseconds silent = silence(before, name, now);
  return silent > suspect_after ? std::optional(silent) : std::nullopt;
}

void add_hiccup(Sight& sight, Instant now) {
  sight.hiccups.push_back(now);
  if (sight.hiccups.size() > flapping_hiccups) sight.hiccups.erase(sight.hiccups.begin());
}

}  // namespace

Sights look(const ClusterView& view, const Sights& before, Instant now, const Heards& heards) {
  Sights sights;
  for (const auto& [name, node] : view.nodes) {
    Sight sight{node.value.incarnation, 0, now, false, DaemonState::Unknown, {}, {}, {}};
    auto known = before.find(name);
    if (known != before.end() && known->second.incarnation == sight.incarnation) {
      sight = known->second;
    } else if (known != before.end()) {
      sight.came_back = known->second.came_back;
      sight.hiccups = known->second.hiccups;
      if (is_leaving(known->second.last_word)) sight.last_word = known->second.last_word;  // until it says another
    }
    if (const Live* live = live_of(view, node.value)) {
      if (live->value.counter != sight.counter) sight.first_seen = now;
      sight.counter = live->value.counter;
      sight.met = true;
      sight.last_word = live->value.daemon_state;
    }
    const auto heard = heards.find(name);
    if (heard != heards.end() && heard->second.incarnation == sight.incarnation) sight.heard = heard->second.at;
    sights[name] = sight;
  }
  return sights;
}

void note_hiccups(Sights& sights, const Sights& before, const NodeName& observer, Instant now,
                  Microseconds suspect_after) {
  auto own = sights.find(observer);
  if (own == sights.end()) return;
  if (silence_that_ended(sights, before, observer, now, suspect_after)) own->second.came_back = now;
  const bool silent_itself = silence(sights, observer, now) > suspect_after;
  const auto& own_return = own->second.came_back;
  for (auto& [name, sight] : sights) {
    const auto silent = silence_that_ended(sights, before, name, now, suspect_after);
    if (!silent || name == observer || silent_itself) continue;
    if (!own_return || *own_return + *silent < now) add_hiccup(sight, now);
  }
}

std::size_t hiccups(const Sights& sights, const NodeName& name, Instant now) {
  auto found = sights.find(name);
  if (found == sights.end()) return 0;
  const auto& all = found->second.hiccups;
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [now](Instant one) { return one + flapping_window > now; }));
}

bool is_flapping(const Sights& sights, const NodeName& name, Instant now) {
  return hiccups(sights, name, now) >= flapping_hiccups;
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
  const Microseconds enough = is_quiet(sights, name, now) ? suspect_when_quiet(suspect_after) : suspect_after;
  return silence(sights, name, now) > enough ? Health::Suspect : Health::Alive;
}

bool is_quiet(const Sights& sights, const NodeName& name, Instant now) {
  auto found = sights.find(name);
  if (found == sights.end() || !found->second.heard) return false;
  const Instant heard = *found->second.heard;
  return now > heard + quiet_after && now < heard + quiet_for_good && silence(sights, name, now) > quiet_after;
}

bool is_address_of_suspect(const ClusterView& view, const Sights& sights, const std::string& address,
                           const NodeName& observer, Instant now, Microseconds suspect_after) {
  if (silence(sights, observer, now) > suspect_after) return false;
  return std::any_of(view.nodes.begin(), view.nodes.end(), [&](const auto& one) {
    const auto& [name, node] = one;
    const auto& addresses = node.value.addresses;
    if (name == observer || std::find(addresses.begin(), addresses.end(), address) == addresses.end()) return false;
    const Health state = health(view, sights, name, now, suspect_after);
    return state == Health::Suspect || (state == Health::Alive && is_quiet(sights, name, now));
  });
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
  return is_leaving(live->value.daemon_state);
}

const EvidenceRecord* evidence_about(const ClusterView& view, const BootId& boot) {
  auto found = view.evidence.find(boot);
  return found == view.evidence.end() ? nullptr : &found->second.value;
}

bool covers(const EvidenceRecord& evidence, const VmRecord& vm) {
  if (evidence.kind != EvidenceKind::Storage) return true;
  const auto& images = evidence.images;
  return !vm.disks.empty() && std::all_of(vm.disks.begin(), vm.disks.end(), [&](const Disk& disk) {
    return disk.kind == DiskKind::Rbd && std::find(images.begin(), images.end(), disk.source) != images.end();
  });
}

const EvidenceRecord* evidence_for(const ClusterView& view, const BootId& boot, const VmRecord& vm) {
  const EvidenceRecord* evidence = evidence_about(view, boot);
  return evidence && covers(*evidence, vm) ? evidence : nullptr;
}

}  // namespace pvcd::logic
