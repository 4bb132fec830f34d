// The right to act has an end on this machine's CLOCK_BOOTTIME (safety rule 5).
#pragma once

#include <ctime>

#include "sdk/roles.hpp"

namespace pvcd::ipmi {

inline Instant boottime_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return seconds(static_cast<std::uint64_t>(now.tv_sec)) + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

inline bool holds(const Permit& permit) { return boottime_now() < permit.not_after; }

}  // namespace pvcd::ipmi
