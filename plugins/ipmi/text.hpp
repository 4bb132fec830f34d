// Reading what command line tools print: any case, any line end, any white space.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pvcd::ipmi {

std::string lower_case(std::string_view);    // ASCII
std::string_view trimmed(std::string_view);  // of white space and control characters, at both ends
std::string one_line(std::string_view);      // for a note: trimmed, line ends as "; ", no longer than 200 characters

// The rest, trimmed, of the first line that begins with `label` in any case; `label` itself is lower case.
std::optional<std::string_view> value_after(std::string_view output, std::string_view label);

}  // namespace pvcd::ipmi
