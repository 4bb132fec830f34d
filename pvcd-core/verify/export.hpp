// The history of all VMs, read from the store with this node's own credentials.
#pragma once

#include <string>

#include "sdk/plugin.hpp"

namespace pvcd::verify {

std::string export_history(const Settings& shared);  // throws Error when the store does not answer

}  // namespace pvcd::verify
