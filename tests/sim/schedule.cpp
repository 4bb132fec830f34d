#include "schedule.hpp"

#include <algorithm>
#include <array>

#include "settings.hpp"

namespace pvcd::sim {
namespace {

struct Kind {
  const char* name;
  std::uint64_t weight;
  Microseconds least;  // duration
  Microseconds most;
};

constexpr std::array<Kind, deed_count> kinds{{
    {"power-cut", 10, seconds(5), seconds(60)},
    {"power-cut-with-bmc", 4, seconds(5), seconds(45)},
    {"reboot", 6, seconds(1), seconds(6)},
    {"freeze-host", 8, seconds(1), seconds(40)},
    {"pause-core", 5, milliseconds(500), seconds(25)},
    {"pause-keepalive", 5, milliseconds(500), seconds(20)},
    {"pause-election", 2, milliseconds(500), seconds(20)},
    {"pause-libvirt", 4, milliseconds(500), seconds(40)},
    {"pause-rbd-locks", 4, milliseconds(500), seconds(40)},
    {"pause-ipmi", 4, milliseconds(500), seconds(20)},
    {"pause-watchdog", 3, milliseconds(500), seconds(20)},
    {"kill-core", 4, 0, 0},
    {"kill-keepalive", 4, 0, 0},
    {"kill-election", 1, 0, 0},
    {"kill-libvirt", 2, 0, 0},
    {"kill-rbd-locks", 2, 0, 0},
    {"kill-ipmi", 2, 0, 0},
    {"kill-watchdog", 2, 0, 0},
    {"kill-qemu", 8, 0, 0},
    {"leave", 3, seconds(3), seconds(20)},
    {"isolate", 9, milliseconds(500), seconds(40)},
    {"cut-one-way", 6, milliseconds(500), seconds(40)},
    {"split", 4, milliseconds(500), seconds(30)},
    {"cut-ceph", 4, milliseconds(500), seconds(40)},
    {"ceph-half-answers", 4, seconds(3), seconds(40)},
    {"osd-map-lag", 4, seconds(5), seconds(40)},
    {"osd-hangs", 3, seconds(5), seconds(40)},
    {"store-slow", 3, seconds(1), seconds(15)},
    {"store-leader-loss", 3, 0, 0},
    {"stale-view", 5, seconds(2), seconds(30)},
    {"bmc-dead", 4, seconds(3), seconds(40)},
    {"bmc-slow", 4, seconds(5), seconds(40)},
    {"bmc-lies", 5, seconds(5), seconds(40)},
    {"bmc-flaps", 4, seconds(5), seconds(40)},
    {"bmc-cut", 4, seconds(3), seconds(40)},
    {"libvirtd-hangs", 3, seconds(1), seconds(30)},
    {"plug-disk", 4, 0, 0},
    {"files-copied", 4, seconds(5), seconds(60)},
    {"create-fails", 6, seconds(5), seconds(60)},
    {"unreadable", 4, seconds(3), seconds(40)},
    {"crash-loop", 3, seconds(5), seconds(40)},
    {"hang-role", 2, seconds(20), seconds(60)},
    {"switch-fails", 4, seconds(3), seconds(15)},
    {"strangers", 1, 0, 0},
    {"clock-jump", 3, seconds(3), seconds(60)},
    {"vm-start", 6, 0, 0},
    {"vm-shutdown", 5, 0, 0},
    {"vm-stop", 5, 0, 0},
    {"vm-disable", 2, 0, 0},
    {"vm-restart", 4, 0, 0},
    {"vm-move", 8, 0, 0},
    {"vm-undefine", 2, 0, 0},
    {"vm-define", 2, 0, 0},
    {"node-fence", 3, 0, 0},
    {"node-confirm-off", 4, 0, 0},
    {"node-confirm-off-wrongly", 1, 0, 0},
    {"node-verify-fence", 1, 0, 0},
    {"node-become-primary", 2, 0, 0},
    {"node-step-down", 2, 0, 0},
    {"maintenance", 2, seconds(2), seconds(25)},
}};

constexpr std::size_t first_of_people = static_cast<std::size_t>(Deed::VmStart);

const Kind& kind_of(Deed deed) { return kinds[static_cast<std::size_t>(deed)]; }

Deed draw(Random& random, std::size_t from, std::size_t to) {
  std::uint64_t sum = 0;
  for (std::size_t i = from; i < to; ++i) sum += kinds[i].weight;
  std::uint64_t rest = random.below(sum);
  std::size_t i = from;
  while (rest >= kinds[i].weight) rest -= kinds[i++].weight;
  return static_cast<Deed>(i);
}

// Long waits are as interesting as short ones, so the scale is drawn first.
Microseconds draw_duration(Random& random, const Kind& kind) {
  if (kind.most == 0) return 0;
  // As long as it takes to be taken for lost: what comes back then meets its fence.
  if (kind.most > session_timeout && random.chance(15))
    return random.between(session_timeout * 3 / 4, session_timeout * 3 / 2);
  const Microseconds most = random.chance(50) ? kind.most : std::max(kind.least, kind.most / 6);
  return random.between(kind.least, most);
}

}  // namespace

const char* name_of(Deed deed) { return kind_of(deed).name; }

std::string describe(const Planned& one) {
  std::string text = std::to_string(one.at / 1000) + " ms" + (one.in_election ? ", in an election: " : ": ") +
                     name_of(one.deed) + (one.at_primary ? " the primary" : " n" + std::to_string(one.node + 1));
  if (one.deed == Deed::OneWay || one.deed == Deed::BmcCut || one.deed == Deed::VmMove)
    text += " to n" + std::to_string(one.other + 1);
  if (one.duration) text += " for " + std::to_string(one.duration / 1000) + " ms";
  return text;
}

namespace {

constexpr Deed primary_goes[] = {Deed::PowerCut, Deed::PowerCutBmc, Deed::FreezeHost, Deed::Isolate,
                                 Deed::HangRole, Deed::Leave,       Deed::StepDown};

}  // namespace

// Faults meet at one or two nodes and moments, because it is their overlap that breaks things. An election is over so
// soon that hardly anything would meet it by chance.
Schedule make_schedule(Random& random, std::size_t nodes) {
  Schedule schedule;
  const std::size_t victim = random.below(nodes);
  const Microseconds window = random.between(seconds(2), seconds(35));
  const bool elects = random.chance(20);
  const auto add = [&](Deed deed) {
    Planned one;
    one.deed = deed;
    one.at = faults_begin + random.below(window);
    one.node = random.chance(60) ? victim : random.below(nodes);
    one.other = (one.node + 1 + random.below(nodes - 1)) % nodes;
    one.duration = draw_duration(random, kind_of(deed));
    one.value = random.next();
    one.in_election = elects && random.chance(30);
    schedule.push_back(one);
  };
  if (elects) {
    add(primary_goes[random.below(std::size(primary_goes))]);
    schedule.back().at_primary = true;
    schedule.back().in_election = false;
  }
  const std::uint64_t faults = random.between(1, random.chance(30) ? 12 : 5);
  const std::uint64_t wishes = random.below(random.chance(40) ? 7 : 3);
  for (std::uint64_t i = 0; i < faults; ++i) add(draw(random, 0, first_of_people));
  for (std::uint64_t i = 0; i < wishes; ++i) add(draw(random, first_of_people, deed_count));
  std::stable_sort(schedule.begin(), schedule.end(), [](const Planned& a, const Planned& b) { return a.at < b.at; });
  return schedule;
}

Instant end_of(const Schedule& schedule) {
  Instant end = faults_begin;
  for (const Planned& one : schedule) end = std::max(end, one.at + one.duration);
  return end + seconds(1);
}

}  // namespace pvcd::sim
