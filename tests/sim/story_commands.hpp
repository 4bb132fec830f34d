// Everything that a story can do to a cluster.
#pragma once

#include "events.hpp"
#include "story_words.hpp"

namespace pvcd::sim {

struct Story;
struct World;

const std::vector<const char*>& command_patterns();
bool can_be_undone(std::size_t command);

// Does it, and returns how it is undone: nothing if it is over at once.
Events::Act begin(World&, const Story&, std::size_t command, const Words& values);

}  // namespace pvcd::sim
