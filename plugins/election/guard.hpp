// Whether this node may stay primary: no zombie primaries. Pure.
#pragma once

#include <optional>

#include "sdk/model.hpp"

namespace pvcd::election {

struct GuardMemory {
  std::optional<Instant> core_missing_since;  // a keepalive that has just restarted knows no ages yet
};

struct GuardVerdict {
  GuardMemory next;
  std::string vacate_because;  // empty: it may stay
};

// `live` is the live entry of the leadership's incarnation, which is this node's. The age is what the keepalive
// published: whether that keepalive still lives is its session's business.
GuardVerdict guard(const std::optional<LiveRecord>& live, const GuardMemory&, Microseconds decision_limit, Instant now);

}  // namespace pvcd::election
