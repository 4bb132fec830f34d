#include "timer.hpp"

#include <systemd/sd-event.h>

#include <cstring>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::keepalive {
namespace {

constexpr Microseconds accuracy = milliseconds(1);  // the default of 250 ms is long beside a heartbeat

}  // namespace

Timer::Timer(sd_event* loop, std::function<void()> call) : call_(std::move(call)) {
  auto on_time = [](sd_event_source*, std::uint64_t, void* self) {
    static_cast<Timer*>(self)->call_();
    return 0;
  };
  int result = sd_event_add_time(loop, &source_, CLOCK_BOOTTIME, UINT64_MAX, accuracy, on_time, this);
  if (result < 0) throw Error(std::string("adding a timer to the loop: ") + std::strerror(-result));
  stop();
}

Timer::~Timer() { sd_event_source_disable_unref(source_); }

void Timer::start(Microseconds delay) {
  sd_event_source_set_time_relative(source_, delay);
  sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

void Timer::stop() { sd_event_source_set_enabled(source_, SD_EVENT_OFF); }

}  // namespace pvcd::keepalive
