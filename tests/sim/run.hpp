// One run: a cluster made from a seed, a schedule, then time to settle.
#pragma once

#include "oracle.hpp"
#include "schedule.hpp"
#include "tally.hpp"

namespace pvcd::sim {

struct RunOutcome {
  std::optional<Violation> violation;
  Tally tally;
  std::vector<std::string> story;  // if it was asked for
  Instant ended_at = 0;
};

struct Plan {
  std::uint64_t seed = 0;
  std::size_t nodes = 3;
  Schedule schedule;
};
Plan make_plan(std::uint64_t seed, std::size_t nodes_wanted);  // 0: from the seed

RunOutcome run(const Plan&, bool tell);

// Faults have stopped: with time, and the power that it takes, every VM comes to what is wanted of it (S10).
void settle(World&, Instant healed_at);

}  // namespace pvcd::sim
