// Whether this host may be suspended or hibernated (safety rule 16): it would wake in the same boot, which others may
// have taken for over meanwhile.
#pragma once

#include <memory>
#include <string>

#include "sdk/types.hpp"

namespace pvcd::keepalive {

// Empty: it cannot sleep, because the kernel offers no state for it or systemd is forbidden to ask for one. Else why it
// may, in words; so it may when that cannot be read.
std::string why_it_may_sleep(const std::string& root = {});

// Looks again and again, on a thread of its own: /etc is on a disk, which may hang, and nothing delays the heartbeat
// (S8).
class SleepWatch {
 public:
  explicit SleepWatch(Microseconds interval, const std::string& root = {});
  ~SleepWatch();  // a look that hangs is left behind
  SleepWatch(const SleepWatch&) = delete;
  SleepWatch& operator=(const SleepWatch&) = delete;

  std::string words() const;

 private:
  struct Looks;
  std::shared_ptr<Looks> looks_;
};

}  // namespace pvcd::keepalive
