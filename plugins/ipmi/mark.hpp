// The mark of a BMC that has no usable GUID: the boot id of the host it is in, which only that host can write there
// (safety rule 16). It is kept in PEF configuration parameter 10, "System GUID": 16 bytes that survive a loss of power
// and are otherwise only seen in alerts (PET).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pvcd::ipmi {

// Commands of ipmitool. `boot` is canonical (guid.hpp); its bytes are written in the order in which one reads them.
std::vector<std::string> command_that_reads_mark();
std::vector<std::string> command_that_writes_mark(const std::string& boot);

// From what the first one prints, canonical. Nothing: it carries none, or the text is not understood.
std::optional<std::string> parse_mark(std::string_view output);

}  // namespace pvcd::ipmi
