// S10: when faults have stopped, evidence is obtainable and there is room, every VM is as it is wanted to be. Told from
// the records and from what runs; what waits must say for what.
#pragma once

#include <string>

#include "world.hpp"

namespace pvcd::sim {

// What is still open; empty: nothing.
std::string still_open(const World&);

// The first start that the history in the store does not prove; empty: it proves all.
std::string unproven_start(const World&);

}  // namespace pvcd::sim
