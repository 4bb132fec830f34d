// What a stopped VM left behind. Pure.
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

Leftover left_behind(const Listing&, const VmStopped&);  // on one image

// What is started anew left on images that it does not have any more: unplugged, or not in its definition at all. Its
// dead QEMU can have sent a write to them that has not arrived yet (safety rule 7).
VmStopped left_elsewhere(const VmStart&);

}  // namespace pvcd::rbd_locks
