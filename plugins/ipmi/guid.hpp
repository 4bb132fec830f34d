// Whose BMC is it: the GUID that a BMC gives and the system UUID that its host recorded (safety rule 16).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pvcd::ipmi {

// 36 characters, lower case. Empty for a text that is not a UUID, and for all zeros or all ones: firmware that was
// never given one says so, and half a rack would match.
std::optional<std::string> canonical_uuid(std::string_view text);

// From `ipmitool mc guid dump`, in the order of the bytes on the wire.
std::optional<std::string> parse_guid(std::string_view output);

// BMCs send the same UUID in three orders: as written (RFC 4122), with the first three fields swapped (SMBIOS), and
// back to front (IPMI). Both arguments are canonical.
bool same_machine(const std::string& guid, const std::string& system_uuid);

}  // namespace pvcd::ipmi
