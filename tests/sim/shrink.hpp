// From a run that failed to a short one that fails in the same way.
#pragma once

#include "run.hpp"

namespace pvcd::sim {

Plan shrink(Plan, const std::string& rule);

}  // namespace pvcd::sim
