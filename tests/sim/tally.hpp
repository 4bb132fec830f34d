// How often what happened, over all runs.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace pvcd::sim {

struct Tally {
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t rounds = 0;
  std::uint64_t seeds = 0;
  std::uint64_t simulated_us = 0;

  void count(const std::string& what) { counts[what]++; }
};

}  // namespace pvcd::sim
