// One operation to each placement group of a pool. In C++17, because Ceph's C++ header is not understood by every C++20
// compiler; so nothing of ours is included here.
#pragma once

#include <rados/librados.h>

#include <cstddef>
#include <cstdint>

namespace pvcd::rbd_locks {

struct Asked {
  bool all_found = false;  // a name for each of them; if not, they have changed meanwhile, and nothing was asked
  std::size_t silent = 0;  // that did not answer
  int code = 0;            // Ceph's, of one of those, or of what failed before anything was asked
};

// Which operation does not matter, nor whether its object exists: a placement group answers with the OSD map that this
// client has, or with a newer one.
Asked ask_every_group(rados_t, std::int64_t pool, std::uint32_t groups);

}  // namespace pvcd::rbd_locks
