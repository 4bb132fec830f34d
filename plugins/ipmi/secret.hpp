// The password of a BMC: read from its file for each call, in no argument list, wiped after use (S9).
#pragma once

#include <string>

namespace pvcd::ipmi {

class Secret {
 public:
  // The first line of a file that nobody else may read. Throws Error, which never contains what was read.
  explicit Secret(const std::string& path);
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace pvcd::ipmi
