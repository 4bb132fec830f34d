// One core's view of the store: behind by its server's lag, and single entries behind still more, so that what one
// transaction wrote becomes visible one by one. It goes on looking complete for a while after its link is cut. Follows
// core/cluster.cpp and store/mirror.cpp.
#pragma once

#include <set>
#include <vector>

#include "logic/view.hpp"
#include "random.hpp"
#include "store.hpp"

namespace pvcd::sim {

// A view, and which sessions were seen: a live entry that is read later knows of its session.
struct Shown {
  logic::ClusterView view;
  std::set<std::string> sessions;
};
void show(const Key&, const EntryPointer&, Shown&);

class Observer {
 public:
  // A process that starts reads everything.
  void restart(const Store&, Random&);

  // Reads on; `serves`: the store answers this node. Whether anything was read.
  bool catch_up(const Store&, Random&, Instant now, bool serves);

  const logic::ClusterView& view() const { return shown_.view; }
  Instant served_since() const { return served_since_; }  // who was cut off learns late who fell silent when
  Microseconds lag = milliseconds(5);

 private:
  struct Held {
    Key key;
    Instant until;
    EntryPointer entry;
  };

  void read(const Store&, const Key&, const EntryPointer&);
  bool hold(Random&, const LogEntry&, Instant now);
  bool release(const Store&, Instant now, bool all);

  Shown shown_;
  std::size_t position_ = 0;
  std::vector<Held> held_;
  Instant cut_since_ = 0;
  Instant served_since_ = 0;
  Microseconds notices_after_ = 0;
  bool cut_ = false;
  std::uint64_t restored_ = 0;      // how often the store had been
  std::optional<Instant> read_at_;  // when everything will have been read anew
};

}  // namespace pvcd::sim
