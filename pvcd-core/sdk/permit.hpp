// Whether the right to act still holds, asked by the worker itself on this machine's CLOCK_BOOTTIME (safety rule 5).
#pragma once

#include <ctime>

#include "sdk/roles.hpp"

namespace pvcd {

inline Instant boottime_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return seconds(static_cast<std::uint64_t>(now.tv_sec)) + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

// Its time only; Host::holds() also knows whether a newer primary has been heard of.
inline bool holds(const Permit& permit) { return boottime_now() < permit.not_after; }

}  // namespace pvcd
