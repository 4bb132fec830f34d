// One disk or state file in a shared directory: is what its name leads to wholly in there?
#pragma once

#include <optional>
#include <string>

#include "objection.hpp"

namespace pvcd::shared_files {

// Nothing: it is there, or yet to be made there. Else its name leads out, or it has a second name by which another VM
// could write to it (S1), or it builds on a file that nobody has looked at.
std::optional<Objection> look_at_file(const std::string& directory, const std::string& path);

}  // namespace pvcd::shared_files
