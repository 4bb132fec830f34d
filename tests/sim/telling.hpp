// A story, told once: played in a cluster made from a seed and held against what it expects.
#pragma once

#include "chronicle.hpp"
#include "story.hpp"

namespace pvcd::sim {

struct Telling {
  std::vector<std::string> wrong;  // "line 9: ..."; empty: it came true
  std::vector<Fact> facts;         // counted from the beginning of the story
  std::vector<std::string> trace;  // if it was asked for
};

Telling tell(const Story&, std::uint64_t seed, bool traced);

}  // namespace pvcd::sim
