// The two clocks. Everything that decides uses boottime_us(); realtime_us() is only shown to people.
#pragma once

#include <ctime>

#include "sdk/types.hpp"

namespace pvcd::runtime {

inline Microseconds clock_us(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return seconds(static_cast<std::uint64_t>(now.tv_sec)) + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

inline Instant boottime_us() { return clock_us(CLOCK_BOOTTIME); }
inline Microseconds realtime_us() { return clock_us(CLOCK_REALTIME); }

}  // namespace pvcd::runtime
