// What `ipmitool chassis power status` says.
#pragma once

#include <string_view>

#include "sdk/roles.hpp"

namespace pvcd::ipmi {

// Unknown for every text but "Chassis Power is on" and "... off", in any case and with any line end: an answer that is
// not understood proves nothing.
PowerState parse_power(std::string_view output);

}  // namespace pvcd::ipmi
