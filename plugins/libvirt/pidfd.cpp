#include "pidfd.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sdk/permit.hpp"

namespace pvcd::libvirt {

Pidfd::Pidfd(const Processes& processes, const Process& process)
    : number_(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0))) {
  const bool no_such_process = number_ < 0 && errno == ESRCH;
  // Looked at after it was opened: if it is the right one now, it was the right one then.
  existence_ = no_such_process ? Existence::Gone : processes.look(process);
  if (existence_ != Existence::Alive && number_ >= 0) close(std::exchange(number_, -1));
  if (existence_ == Existence::Alive && number_ < 0) existence_ = Existence::Unknown;
}

Pidfd::~Pidfd() {
  if (number_ >= 0) close(number_);
}

Pidfd::Pidfd(Pidfd&& other) noexcept : number_(std::exchange(other.number_, -1)), existence_(other.existence_) {}

void Pidfd::kill() const { syscall(SYS_pidfd_send_signal, number_, SIGKILL, nullptr, 0); }

bool Pidfd::wait_end(Microseconds limit) const {
  const Instant deadline = boottime_now() + limit;
  while (true) {
    const Instant now = boottime_now();
    const int wait_ms = now < deadline ? static_cast<int>((deadline - now + 999) / 1000) : 0;
    pollfd polled{number_, POLLIN, 0};
    if (poll(&polled, 1, wait_ms) > 0) return true;
    if (wait_ms == 0) return false;
  }
}

}  // namespace pvcd::libvirt
