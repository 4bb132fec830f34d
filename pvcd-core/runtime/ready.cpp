#include "runtime/ready.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace pvcd::runtime {

namespace {

// sd_notify() waits when the socket is full, so a hung PID 1 would stop every loop that tells it something regularly.
// What is told again anyway is sent without waiting.
void notify_if_possible(const std::string& text) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, std::strlen(path));
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  static const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sendto(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace

void notify_ready(const std::string& status) { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }
void notify_stopping() { sd_notify(0, "STOPPING=1"); }

void notify_status(const std::string& status) { notify_if_possible("STATUS=" + status); }
void notify_watchdog() { notify_if_possible("WATCHDOG=1"); }
void notify_more_time(Microseconds time) { notify_if_possible("EXTEND_TIMEOUT_USEC=" + std::to_string(time)); }

std::optional<Microseconds> watchdog_interval() {
  std::uint64_t interval = 0;
  if (sd_watchdog_enabled(0, &interval) <= 0) return std::nullopt;
  return interval;
}

}  // namespace pvcd::runtime
