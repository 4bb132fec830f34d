// What a schedule or a story says is done to the world, and undone.
#pragma once

#include "schedule.hpp"
#include "world.hpp"

namespace pvcd::sim {

void do_to(World&, const Planned&);

// Only does it, and returns how it is undone: nothing if it is over at once.
Events::Act begin(World&, const Planned&);

}  // namespace pvcd::sim
