#pragma once

#include <functional>

#include "sdk/types.hpp"

struct sd_event;
struct sd_event_source;

namespace pvcd::keepalive {

// Calls once, `delay` after start(); starting again replaces the former time.
class Timer {
 public:
  Timer(sd_event* loop, std::function<void()> call);  // throws Error
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Microseconds delay);
  void stop();

 private:
  std::function<void()> call_;
  sd_event_source* source_ = nullptr;
};

}  // namespace pvcd::keepalive
