// Why a VM is not as it is wanted, in one sentence that names what is missing (S10). Every node tells the same: it is
// read from the records alone.
#pragma once

#include <string>

#include "logic/units.hpp"
#include "logic/view.hpp"

namespace pvcd::logic {

// Empty: nothing is missing, or nothing that is known.
std::string what_is_missing(const ClusterView&, const VmRecord&, const UnitNeeds&);

}  // namespace pvcd::logic
