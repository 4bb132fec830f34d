// Every state that a small world can come to within its budget of faults and time: each is visited once, held against
// the rules, and from a part of them, after everything has been repaired, every VM has to run again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "small_world.hpp"

namespace pvcd::sim {

struct Explored {
  std::size_t nodes = 0;
  std::size_t vms = 0;
  std::size_t depth = 0;  // moves of the longest path
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  bool closed = false;  // nothing was left out within the budget
  std::string rule;     // that is broken; empty: none
  std::string story;    // how to get there
};

std::vector<Explored> explore_small_worlds();  // each in a process of its own

std::string describe(const Explored&);
std::string to_json(const std::vector<Explored>&);

}  // namespace pvcd::sim
