// How long ago the core first heard of something a hook waits for. A VM may wait for several instances at once, but an
// answer carries one text: it lists them all, and is searched for each one when the core repeats it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

inline constexpr std::string_view wait_for_separator = ", ";

// The longest of all entries that list it.
std::optional<Microseconds> seen_ago(std::string_view wait_for, const std::vector<FirstSeen>&);

}  // namespace pvcd::rbd_locks
