// Why something is as it is, in sentences for a person who was woken up by it; from what is seen now. The decisions
// that led there have records of their own.
#pragma once

#include <string>
#include <vector>

#include "logic/coordinator.hpp"

namespace pvcd::logic {

struct Situation {
  const ClusterView& view;
  const Sights& sights;
  Instant now = 0;
  const CoordinatorSettings& settings;
};

// Both: of an object that the view has.
std::vector<std::string> explain_vm(const Situation&, const VmUuid&);
std::vector<std::string> explain_node(const Situation&, const NodeName&);

}  // namespace pvcd::logic
