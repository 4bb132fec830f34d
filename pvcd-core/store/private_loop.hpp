// An event loop inside another one, for a plugin whose role calls must answer at once while its store is loop-driven:
// sd-event cannot turn a loop inside a handler of the same loop, but it can turn this one.
//
// While nobody waits in run_until(), the host's loop serves it. Both belong to the same thread.
#pragma once

#include <functional>

#include "sdk/types.hpp"

struct sd_event;
struct sd_event_source;

namespace pvcd::store {

class PrivateLoop {
 public:
  explicit PrivateLoop(sd_event* outer);  // throws Error
  ~PrivateLoop();
  PrivateLoop(const PrivateLoop&) = delete;
  PrivateLoop& operator=(const PrivateLoop&) = delete;

  sd_event* get() const { return inner_; }

  // Turns this loop alone until `done` or until CLOCK_BOOTTIME reaches `deadline`; the answer is done(). Not to be
  // called from a callback of this loop.
  bool run_until(const std::function<bool()>& done, Instant deadline);

 private:
  void serve();

  sd_event* inner_ = nullptr;
  sd_event_source* readable_ = nullptr;  // in the outer loop
  sd_event_source* again_ = nullptr;     // in the outer loop: there is more to do at once
};

}  // namespace pvcd::store
