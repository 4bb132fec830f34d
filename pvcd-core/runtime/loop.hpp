// One sd-event loop per thread, and RAII handles for what it waits for.
//
// Rules
// - All calls come from the loop's own thread, except those of Wakeup.
// - A handle may be dropped or replaced inside its own callback.
// - An exception out of a callback ends the loop and comes out of run(): main catches it once.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "sdk/types.hpp"

struct sd_event;

namespace pvcd::runtime {

// Something the loop waits for; dropping it ends the waiting.
class Source {
 public:
  struct State;
  Source() = default;
  explicit Source(std::shared_ptr<State>);
  Source(Source&&) noexcept = default;
  Source& operator=(Source&&) noexcept;
  ~Source();
  explicit operator bool() const { return state_ != nullptr; }
  void reset();

 private:
  std::shared_ptr<State> state_;
};

using Timer = Source;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  int run();    // until exit(); its code
  void turn();  // waits for one event and handles it
  void exit(int code);

  // Blocks the signal for the calling thread: do it before other threads start, they inherit the mask.
  void on_signal(int signal, std::function<void()>);

  // CLOCK_BOOTTIME, accuracy 1 µs. every() counts from the end of the callback: a slow callback does not pile up.
  [[nodiscard]] Timer once(Microseconds delay, std::function<void()>);
  [[nodiscard]] Timer every(Microseconds interval, std::function<void()>);

  [[nodiscard]] Source on_readable(int fd, std::function<void()>);

  void defer(std::function<void()>);  // on the next turn, in order

  void send_watchdog();  // WATCHDOG=1 from the loop itself, if the unit has WatchdogSec=

  sd_event* get() const { return event_; }

 private:
  Timer timer(Microseconds delay, Microseconds interval, std::function<void()>);
  void guard(const std::function<void()>&);
  friend struct Source::State;

  sd_event* event_ = nullptr;
  std::exception_ptr failure_;
  std::vector<Source> permanent_;
  std::vector<std::function<void()>> deferred_;
  Source deferred_wakeup_;
};

// Lets another thread call this loop: notify() may come from anywhere, the callback comes on the loop. Several notifies
// before the loop turns are one callback.
class Wakeup {
 public:
  Wakeup(Loop&, std::function<void()>);
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  void notify() noexcept;

 private:
  int fd_ = -1;
  Source source_;
};

}  // namespace pvcd::runtime
