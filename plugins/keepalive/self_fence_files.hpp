// What this node publishes of its watchdog, and when the helper that pets it may disarm it (sdk/self_fence.hpp).
#pragma once

#include <optional>
#include <string>

#include "sdk/self_fence.hpp"

namespace pvcd::keepalive {

class SelfFenceFiles {
 public:
  // Takes back what a former process has permitted, before anything is published.
  SelfFenceFiles(const std::string& run_directory, BootId boot, bool wanted);

  std::optional<SelfFence> words(bool leaving) const;  // absent: this node does not fence itself
  void permit_disarm() const;                          // the store has taken that this node is not armed

 private:
  std::string words_path_;
  std::string permit_path_;
  BootId boot_;
  bool wanted_;
};

}  // namespace pvcd::keepalive
