// By what a BMC is recognised as a node's, [bmc.NODE] identity (safety rule 16). The configuration check and the plugin
// must agree.
#pragma once

#include <string_view>

namespace pvcd {

inline constexpr std::string_view bmc_by_guid = "guid";  // its GUID, which is the host's system UUID
inline constexpr std::string_view bmc_by_mark = "mark";  // the boot id that the host itself writes into it

}  // namespace pvcd
