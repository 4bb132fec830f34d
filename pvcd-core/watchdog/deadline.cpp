#include "watchdog/deadline.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "sdk/plugin.hpp"

namespace pvcd::watchdog {

Deadline::Deadline() {
  sigevent kill{};
  kill.sigev_notify = SIGEV_SIGNAL;
  kill.sigev_signo = SIGKILL;
  if (::timer_create(CLOCK_BOOTTIME, &kill, &timer_) != 0)
    throw Error(std::string("cannot make a timer: ") + std::strerror(errno));
}

Deadline::~Deadline() { ::timer_delete(timer_); }

// A limit that is over ends this process at once; 0 would mean none.
void Deadline::begin(Instant limit) { set(limit == 0 ? 1 : limit); }
void Deadline::end() { set(0); }

void Deadline::set(Instant limit) {
  itimerspec time{};
  time.it_value.tv_sec = static_cast<time_t>(limit / seconds(1));
  time.it_value.tv_nsec = static_cast<long>(limit % seconds(1) * 1000);
  if (::timer_settime(timer_, TIMER_ABSTIME, &time, nullptr) != 0)
    throw Error(std::string("cannot set a timer: ") + std::strerror(errno));
}

}  // namespace pvcd::watchdog
