// Commands to Ceph's monitors and manager, and what came of each. One that fails does not cost the others; after one
// that was not answered in time nothing more is asked of the same side, because it would not answer that either.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ceph/connection.hpp"

namespace pvcd::ceph_osd {

// A larger answer is refused. 4096 OSDs need less than half of it, in every command.
inline constexpr std::size_t answer_bytes_max = std::size_t{16} << 20;

struct Reply {
  bool answered = false;
  std::string text;  // the answer, or why there is none
};
using Replies = std::map<std::string, Reply>;  // by command

using Commands = std::vector<std::string>;  // "osd dump"
enum class Side { Monitors, Manager };

// On a connection of its own, which it drops at its end: librados gives up waiting for a manager without telling it,
// and must be gone when the late answer comes.
Replies ask(const ceph::Options&, Side, const Commands&);

}  // namespace pvcd::ceph_osd
