// What a node's own watchdog proves of it (design, evidence kind 3), and what people are told of it.
#pragma once

#include <optional>
#include <string>

#include "logic/view.hpp"

namespace pvcd::logic {

// How long its counter must have stood still, on the observer's own clock, until the watchdog has cut it for sure;
// nothing: none is on record as armed, and silence proves nothing, however long.
std::optional<Microseconds> cut_after(const LiveRecord&);

// Why a node that should fence itself cannot; empty: it can, or it need not.
std::string objection_of_watchdog(const Live&);

// Of this node itself, which should: its own record must have arrived in the store. Empty: it says armed.
std::string objection_of_watchdog(const ClusterView&, const Life& self);

// About a lost node, for people; empty: it has no watchdog.
std::string words_about_watchdog(const ClusterView&, const Life& lost);

}  // namespace pvcd::logic
