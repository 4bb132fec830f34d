// Which file system a directory is on (safety rule 12). The kernel has no name for one that holds over NFS, CephFS and
// cluster file systems, so a file in the directory is it: what it says, which inode it is and when that was last
// changed. A copy of the directory has another inode and another time, whatever it says.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd::shared_files {

inline constexpr const char* mark_name = ".pvcd-file-system";

struct Mark {
  std::string identity;
  std::vector<std::string> accepts;  // identities of those that people have moved here
};

// Not to be had: Refused where this host lacks what another one may have, Unknown where asking again may help.
struct NoMark {
  Outcome outcome = Outcome::Unknown;
  std::string why;
};

enum class Missing { IsMade, IsRefused };
std::variant<Mark, NoMark> look_at_mark(const std::string& directory, Missing);

}  // namespace pvcd::shared_files
