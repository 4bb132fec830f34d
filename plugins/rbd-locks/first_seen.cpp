#include "first_seen.hpp"

#include <algorithm>

namespace pvcd::rbd_locks {

namespace {

bool lists(const std::string& list, std::string_view member) {
  const std::string separator(wait_for_separator);
  return (separator + list + separator).find(separator + std::string(member) + separator) != std::string::npos;
}

}  // namespace

std::optional<Microseconds> seen_ago(std::string_view wait_for, const std::vector<FirstSeen>& first_seen) {
  std::optional<Microseconds> longest;
  for (const FirstSeen& entry : first_seen) {
    if (lists(entry.wait_for, wait_for)) longest = std::max(longest.value_or(0), entry.ago);
  }
  return longest;
}

}  // namespace pvcd::rbd_locks
