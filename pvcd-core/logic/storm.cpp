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

// It is the store that does not hear it: this observer does.
bool still_beats(const Round& round, const NodeName& name) {
  const auto& heard = round.next.sights.at(name).heard;
  return heard && round.in.now <= *heard + quiet_after;
}

// Only where its heartbeats beside the store came once does it say anything that they have stopped.
bool stopped_beating(const Round& round, const NodeName& name) {
  return round.next.sights.at(name).heard && !still_beats(round, name);
}

// Of those that vanished together, by the ways that are left to look at them. Their number is not told: the note of
// each fence would be written again with every node that is read.
std::string what_is_sick(const Round& round) {
  std::size_t beat = 0, looked_at = 0, off = 0, on_and_silent = 0;
  for (const NodeName& name : round.next.in_storm) {
    if (still_beats(round, name)) ++beat;
    const auto history = round.next.power.find(name);
    if (history == round.next.power.end()) continue;  // it owns nothing, and nobody looks
    ++looked_at;
    if (history->second.latest_off) ++off;
    if (history->second.answers && !history->second.latest_off && stopped_beating(round, name)) ++on_and_silent;
  }
  if (2 * beat > round.next.in_storm.size())
    return "store sick, because most of them still send heartbeats beside the store";
  if (2 * off > looked_at) return "node dead, because most of their BMCs read off";
  if (2 * on_and_silent > looked_at)
    return "network sick, because their heartbeats beside the store have stopped as well, and most of their BMCs read "
           "on";
  return "the network or the store may be sick";
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
  return "it vanished together with most other nodes: " + what_is_sick(round) +
         "; until that is clear only what reads off is switched off";
}

}  // namespace pvcd::logic
