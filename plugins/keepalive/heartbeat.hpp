// Rewrites the live entry of one incarnation every T/6. A completed write is the only proof of life.
#pragma once

#include <functional>
#include <memory>

#include "sdk/model.hpp"
#include "store/store.hpp"
#include "timer.hpp"

namespace pvcd::keepalive {

struct HeartbeatCalls {
  std::function<LiveRecord()> snapshot;  // what to publish; life and counter are filled in here
  std::function<void(Instant sent_at)> proven;
  std::function<void()> buried;                   // the entry or its session was removed by somebody: this life is over
  std::function<void(std::string_view)> stalled;  // a write is unanswered or was refused
};

class Heartbeat {
 public:
  Heartbeat(sd_event* loop, store::Store&, HeartbeatCalls);

  void begin(const Life&, std::uint64_t counter, Microseconds interval);
  void end();
  bool beating() const { return beating_; }
  const Life& life() const { return life_; }

  void beat_now();  // unless one is under way
  Microseconds interval() const { return interval_; }
  bool under_way() const { return under_way_; }

 private:
  void on_time();
  void answered(const store::CommitResult&);

  store::Store& store_;
  HeartbeatCalls calls_;
  Timer timer_;
  Life life_;
  std::uint64_t counter_ = 0;
  Microseconds interval_ = 0;
  std::uint64_t round_ = 0;  // of begin(): an answer to a former life is nobody's
  bool beating_ = false;
  bool under_way_ = false;
};

}  // namespace pvcd::keepalive
