#include "runtime/ready.hpp"

#include <systemd/sd-daemon.h>

namespace pvcd::runtime {

void notify_ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }
void notify_status(const std::string& status) { sd_notify(0, ("STATUS=" + status).c_str()); }
void notify_stopping() { sd_notify(0, "STOPPING=1"); }
void notify_watchdog() { sd_notify(0, "WATCHDOG=1"); }
void notify_more_time(Microseconds time) { sd_notify(0, ("EXTEND_TIMEOUT_USEC=" + std::to_string(time)).c_str()); }

std::optional<Microseconds> watchdog_interval() {
  std::uint64_t interval = 0;
  if (sd_watchdog_enabled(0, &interval) <= 0) return std::nullopt;
  return interval;
}

}  // namespace pvcd::runtime
