// What a stopped VM left behind on one image. Pure.
#pragma once

#include <string>
#include <vector>

#include "judge.hpp"

namespace pvcd::rbd_locks {

struct Leftover {
  std::vector<DeadLock> locks;  // held by the VM's own dead instances; nobody else's are its business
  std::string unclear;          // a lock whose owner's address is not understood: it may be ours
  std::string unrecorded;       // for people: locks of this host that nobody recorded; they stay
};

Leftover left_behind(const Listing&, const VmStopped&);

}  // namespace pvcd::rbd_locks
