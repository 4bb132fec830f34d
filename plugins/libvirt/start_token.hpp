// Leave for one start of one domain: a small file that the plugin leaves just before it asks libvirt, and that
// libvirt's hook takes away when it lets the start pass. It says until when it is good and for which generation, so
// that a start that libvirt comes to late, or that somebody else asked for meanwhile, does not pass (safety rule 7).
#pragma once

#include <string>

#include "sdk/types.hpp"

namespace pvcd::libvirt {

inline constexpr const char* start_tokens = "/run/pvcd/starts";

class StartToken {
 public:
  StartToken(std::string directory, const VmUuid&);
  ~StartToken() { take_back(); }
  StartToken(const StartToken&) = delete;
  StartToken& operator=(const StartToken&) = delete;

  std::string leave(Generation, Instant not_after) const;  // empty, or why it could not be left
  bool take_back() const;                                  // true: nobody has used it, and nobody will

 private:
  std::string directory_;
  std::string file_;
};

// The hook's side: true once for each token that is good now.
bool use_start_token(const std::string& directory, const VmUuid&, Generation, Instant now);

// What a plugin that was killed has left.
void forget_start_tokens(const std::string& directory);

}  // namespace pvcd::libvirt
