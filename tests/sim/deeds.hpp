// Does to the world what a schedule says, and undoes it in time.
#pragma once

#include "schedule.hpp"
#include "world.hpp"

namespace pvcd::sim {

void do_to(World&, const Planned&);

}  // namespace pvcd::sim
