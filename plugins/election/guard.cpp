#include "guard.hpp"

namespace pvcd::election {
namespace {

std::string in_seconds(Microseconds time) { return std::to_string(time / seconds(1)) + " s"; }

}  // namespace

GuardVerdict guard(const std::optional<LiveRecord>& live, const GuardMemory& memory, Microseconds decision_limit,
                   Instant now) {
  if (!live) return {};
  const auto core = live->units.find("core");
  if (core == live->units.end()) {
    const Instant since = memory.core_missing_since.value_or(now);
    const bool too_long = now - since > decision_limit;
    return {{since}, too_long ? "the core has not reported for " + in_seconds(now - since) : std::string()};
  }
  if (core->second.age <= decision_limit) return {};
  return {{}, "the core's last report is " + in_seconds(core->second.age) + " old"};
}

}  // namespace pvcd::election
