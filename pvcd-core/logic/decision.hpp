// Why something is done: every act carries one (S7). The text is for people; nothing is ever decided from it.
#pragma once

#include <string>
#include <vector>

namespace pvcd::logic {

struct Decision {
  std::string what;                   // "start web1 on n2"
  std::string because;                // one sentence
  std::vector<std::string> evidence;  // what makes it safe, in order
  std::vector<std::string> rejected;  // alternatives and why not
  bool operator==(const Decision&) const = default;
};

}  // namespace pvcd::logic
