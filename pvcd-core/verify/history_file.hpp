// The history of all VMs as a text that can be carried away and checked elsewhere.
#pragma once

#include <string>
#include <vector>

#include "audit/history.hpp"

namespace pvcd::verify {

// A link as the store has it: its number, and a text that may be anything.
struct StoredLink {
  std::uint64_t number = 0;
  std::string text;
};
struct StoredHistory {
  VmUuid uuid;
  std::string name;
  std::vector<StoredLink> links;
};

std::string write_history(const std::string& cluster, const std::vector<StoredHistory>&);

// Throws Error when the text is no history. A link that cannot be read is part of one.
std::vector<audit::VmHistory> read_history(const std::string& text);

}  // namespace pvcd::verify
