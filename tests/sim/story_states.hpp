// Everything that a story can say of its end.
#pragma once

#include "story_words.hpp"

namespace pvcd::sim {

struct World;

const std::vector<const char*>& state_patterns();

// What is so instead; empty: it is as the pattern says.
std::string contradiction(const World&, std::size_t state, const Words& values);

}  // namespace pvcd::sim
