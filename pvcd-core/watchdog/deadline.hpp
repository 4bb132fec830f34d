// A moment after which this process must not do what it is about to do, however long it stands still in between: the
// kernel kills it then, before it can go on.
#pragma once

#include <ctime>

#include "sdk/types.hpp"

namespace pvcd::watchdog {

class Deadline {
 public:
  Deadline();
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void begin(Instant limit);  // on CLOCK_BOOTTIME
  void end();

 private:
  void set(Instant);
  timer_t timer_{};
};

}  // namespace pvcd::watchdog
