// Reading and breaking the locks of one image. Every call opens the image anew and read-only: librbd answers a lock
// list from what it read when the image was opened, and a read-only open neither watches nor takes the lock.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "cluster.hpp"
#include "judge.hpp"

namespace pvcd::rbd_locks {

// `image` is pool/image or pool/namespace/image.
Listing look_at(const Cluster&, const std::string& image);

// Of its header and of its data; none if it does not exist.
std::set<std::int64_t> pools_of(const Cluster&, const std::string& image);

// The address must be blocklisted already. A lock that is gone meanwhile is no error: the next look tells.
void break_lock(const Cluster&, const std::string& image, const Locker&);

}  // namespace pvcd::rbd_locks
