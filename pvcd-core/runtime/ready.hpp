// What systemd is told about this process; nothing happens when it was not started by systemd. ready and stopping are
// told once and wait for PID 1 to take them; the others never block: what PID 1 has no room for is lost, and the next
// ping or state makes good for it.
#pragma once

#include <optional>
#include <string>

#include "sdk/types.hpp"

namespace pvcd::runtime {

void notify_ready(const std::string& status);
void notify_stopping();

void notify_status(const std::string& status);
void notify_watchdog();
void notify_more_time(Microseconds);              // EXTEND_TIMEOUT_USEC: starting or stopping takes longer
std::optional<Microseconds> watchdog_interval();  // WatchdogSec=, if this process is the one it is meant for

}  // namespace pvcd::runtime
