// The storm brake: many nodes that vanish at once are first taken for a sick network or a sick store.

#include "logic/round.hpp"

namespace pvcd::logic {
namespace {

constexpr std::size_t crowd_min = 2;

bool went_in_order(const Round& round, const NodeName& name) { return is_leaving(last_word(round.next.sights, name)); }

Microseconds between(Instant one, Instant other) { return one > other ? one - other : other - one; }

// Most others are silent since about then.
bool is_crowd(const Round& round, Instant fell) {
  std::size_t together = 0, alive = 0;
  for (const auto& [other, since] : round.next.fell_silent) {
    if (!since) ++alive;
    if (since && between(*since, fell) <= round.settings.storm_window) ++together;
  }
  return together >= crowd_min && together > alive;
}

// Until it is back itself: those who vanished together come back one after the other.
void note_storm(Round& round) {
  const auto& fell_silent = round.next.fell_silent;
  std::erase_if(round.next.in_storm, [&](const NodeName& name) { return !fell_silent.contains(name); });
  for (const auto& [name, since] : fell_silent) {
    if (!since)
      round.next.in_storm.erase(name);
    else if (is_crowd(round, *since))
      round.next.in_storm.insert(name);
  }
}

}  // namespace

void note_who_fell_silent(Round& round) {
  auto& fell_silent = round.next.fell_silent;
  std::erase_if(fell_silent, [&](const auto& one) {
    return !round.view().nodes.contains(one.first) || went_in_order(round, one.first);
  });
  for (const auto& [name, node] : round.view().nodes) {
    if (name == round.in.self.node) continue;
    const Health state = health(round.view(), round.next.sights, name, round.in.now, round.settings.suspect_after);
    if (state == Health::Alive) {
      fell_silent[name].reset();
      continue;
    }
    // An entry that cannot be read may have fallen silent with whoever does so now.
    auto known = fell_silent.find(name);
    if (known != fell_silent.end() && (!known->second || state == Health::Unknown)) known->second = round.in.now;
  }
  note_storm(round);
}

std::optional<std::string> storm_around(const Round& round, const NodeName& name) {
  if (!round.next.in_storm.contains(name)) return std::nullopt;
  const Instant fell = *round.next.fell_silent.at(name);
  if (round.in.now - fell >= round.settings.return_wait) return std::nullopt;
  return "it vanished together with most other nodes: the network or the store may be sick; until that is clear only "
         "what reads off is switched off";
}

}  // namespace pvcd::logic
