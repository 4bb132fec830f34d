// All stories of a folder, each in a folder of its own: told many times, with other latencies each time.
#pragma once

#include <cstdint>
#include <string>

namespace pvcd::sim {

struct StoryOptions {
  std::string folder;
  std::string only;  // one of them; empty: all
  std::uint64_t first_seed = 1;
  std::uint64_t tellings = 10;
  bool traced = false;  // with everything that was decided
  std::string junit;
};

// Prints what came of each; the exit status.
int run_stories(const StoryOptions&);

}  // namespace pvcd::sim
