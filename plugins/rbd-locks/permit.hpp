// The right to act, checked again where the act is: the session to Ceph may have taken its time (safety rule 5).
#pragma once

#include <time.h>

#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

inline Instant boottime_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return seconds(static_cast<std::uint64_t>(now.tv_sec)) + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

inline void require(const Permit& permit) {
  if (boottime_now() >= permit.not_after) throw Error("the right to act ended before the act");
}

}  // namespace pvcd::rbd_locks
