// Which file system a directory is on (safety rule 12). The kernel has no name for one that holds over NFS, CephFS and
// cluster file systems, so a file in the directory is it: what it says, which inode it is and when that was last
// changed. A copy of the directory has another inode and another time, whatever it says.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "objection.hpp"

namespace pvcd::shared_files {

inline constexpr const char* mark_name = ".pvcd-file-system";

// Beside the mark, never in it: the mark stays as it was made. A line "NEW accepts OLD" says that people have moved the
// files of OLD to NEW. A copy does not inherit it, because it is not NEW.
inline constexpr const char* moves_name = ".pvcd-file-system-moves";

struct Mark {
  std::string identity;
  std::vector<std::string> accepts;  // identities of those that people have moved here
};

enum class Missing { IsMade, IsRefused };
std::variant<Mark, Objection> look_at_mark(const std::string& directory, Missing);

}  // namespace pvcd::shared_files
