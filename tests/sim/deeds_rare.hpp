// Deeds that take more than a line: broken records, crash loops, strangers, a core that hangs with its election.
#pragma once

#include "schedule.hpp"
#include "world.hpp"

namespace pvcd::sim {

// Each that lasts returns what ends it.

Events::Act make_unreadable(World&, const Planned&);  // one record, for everybody
void crash_again_and_again(World&, const Planned&);
Events::Act refuse_creates(World&, const Planned&);
Events::Act hang_with_election(World&);         // the primary's core; its keepalive goes on (safety rule 10)
void let_strangers_in(World&, const Planned&);  // who must not join
void confirm_wrongly(World&, const Planned&);   // an operator names a node that lives

// Most others are cut off from the store, which keeps its majority: a switch, not a death (storm brake).
std::vector<std::pair<std::size_t, std::size_t>> links_of_a_switch(const World&, const Planned&);

}  // namespace pvcd::sim
