// The kernel's watchdog device (Documentation/watchdog/watchdog-api.rst). Opening it arms it; it is petted once more
// when it is closed without the letter V.
#pragma once

#include <string>

#include "sdk/types.hpp"

namespace pvcd::watchdog {

class Device {
 public:
  enum class Before { Unarmed, Armed };  // in this boot, as far as others know

  // Throws Error unless it is one that a death of this process does not disarm, that leaving can, and whose timeout is
  // what it says. Then it is as it was before: what others take for armed stays so.
  Device(const std::string& path, Microseconds timeout, Before);
  ~Device();  // it stays armed
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  Microseconds timeout() const { return timeout_; }  // as the device says
  bool pet();
  bool disarm();  // true: it took the letter, and is closed

 private:
  void set_up(Microseconds timeout);
  std::string path_;
  int file_ = -1;
  Microseconds timeout_ = 0;
};

}  // namespace pvcd::watchdog
