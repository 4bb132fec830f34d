// Which of an image's watchers is the QEMU that was just created: the one of this host that was not there before. Pure.
#pragma once

#include <optional>
#include <string>

#include "judge.hpp"

namespace pvcd::rbd_locks {

struct Newcomer {
  std::optional<ClientInstance> instance;  // exactly one newcomer, and it is of this host
  std::string note;                        // why there is none yet, or why it is not clear which
};

Newcomer newcomer(const Listing&, const ImagesRequest&);

}  // namespace pvcd::rbd_locks
