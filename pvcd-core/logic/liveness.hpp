// Who shows life, judged by counters on the observer's own clock: ages are measured from a look, not from a memory
// (rule 8).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logic/view.hpp"
#include "sdk/proof.hpp"

namespace pvcd::logic {

enum class Health {
  Unknown,  // never joined, its entry cannot be read, or it has not been seen yet: a join becomes visible in pieces
  Alive,    // session there, counter moves
  Suspect,  // session there, counter silent for suspect_after, or for less and quiet: free, reversible, permits nothing
            // but looking
  Lost,     // session gone
  Dead,     // there is evidence about its recorded boot
};

// The newest heartbeat beside the store that came from a node, on the observer's clock.
struct Heard {
  Incarnation incarnation = 0;
  Instant at = 0;
};
using Heards = std::map<NodeName, Heard>;

// When this observer first saw the counter's present value.
struct Sight {
  Incarnation incarnation = 0;
  std::uint64_t counter = 0;
  Instant first_seen = 0;
  bool met = false;                              // its entry was there once
  DaemonState last_word = DaemonState::Unknown;  // outlives the entry, which evidence removes
  std::optional<Instant> came_back;              // of the observer itself: after its last silence
  std::vector<Instant> hiccups;                  // of others: when they came back after a silence; the newest few
  std::optional<Instant> heard;                  // its newest heartbeat beside the store, of this incarnation
  bool operator==(const Sight&) const = default;
};
using Sights = std::map<NodeName, Sight>;

Sights look(const ClusterView&, const Sights& before, Instant now, const Heards& = {});

// One hiccup is a note. A node that has so many of them in so short a time is flapping: it may be alive, but it is no
// place for a VM until it has been stable for a while.
inline constexpr std::size_t flapping_hiccups = 3;
inline constexpr Microseconds flapping_window = seconds(60);

// Compares a look with the one before it. What was silent while the observer's own heartbeat was, too, tells of the
// store or of the observer, and is nobody's hiccup.
void note_hiccups(Sights&, const Sights& before, const NodeName& observer, Instant now, Microseconds suspect_after);
std::size_t hiccups(const Sights&, const NodeName&, Instant now);  // within the window
bool is_flapping(const Sights&, const NodeName&, Instant now);

Microseconds silence(const Sights&, const NodeName&, Instant now);
Health health(const ClusterView&, const Sights&, const NodeName&, Instant now, Microseconds suspect_after);

// Heartbeats beside the store came, have stopped, and its counter stands still: reason enough to look. Where they stay
// away for long while the counter moves, it is the way that is broken.
inline constexpr Microseconds quiet_after = 3 * beat_interval;
inline constexpr Microseconds quiet_for_good = seconds(60);
bool is_quiet(const Sights&, const NodeName&, Instant now);
// Of two signs that stop together, the counter need not be waited for so long; but longer than from one of its beats to
// the next, which is T/6, and suspect_after is at least T/4.
inline constexpr Microseconds suspect_when_quiet(Microseconds suspect_after) { return suspect_after * 3 / 4; }

// Does the address belong to another node that is suspect, or quiet, while the observer's own heartbeat is seen? Where
// it is not, the store or the observer is late, and says nothing of others.
bool is_address_of_suspect(const ClusterView&, const Sights&, const std::string& address, const NodeName& observer,
                           Instant now, Microseconds suspect_after);

// The last thing the node said about itself in this incarnation; Unknown when this observer never saw it.
DaemonState last_word(const Sights&, const NodeName&);

// Does this very boot prove itself alive? Has it left in order, as far as its last word says?
bool shows_life(const ClusterView&, const NodeName&, const BootId&);
bool has_left(const ClusterView&, const Life&);

// Evidence about exactly this boot, or nullptr.
const EvidenceRecord* evidence_about(const ClusterView&, const BootId&);

// Does it prove that the victim cannot write to any disk of this VM? Storage evidence is about images of Ceph, each for
// itself (rule 12), and a guest without disks may run on.
bool covers(const EvidenceRecord&, const VmRecord&);
const EvidenceRecord* evidence_for(const ClusterView&, const BootId&, const VmRecord&);  // nullptr: none that covers it

}  // namespace pvcd::logic
