#include "runtime/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <csignal>

#include <cstring>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/ready.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::runtime {

namespace {

void check(int result, const char* what) {
  if (result < 0) throw Error(std::string("event loop: ") + what + ": " + std::strerror(-result));
}

constexpr std::uint64_t timer_accuracy_us = 1;  // 0 would mean systemd's default of 250 ms

}  // namespace

struct Source::State : std::enable_shared_from_this<State> {
  State(Loop& owner, std::function<void()> function) : loop(owner), callback(std::move(function)) {}
  ~State() { stop(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void stop() { source = sd_event_source_disable_unref(source); }

  void fire() {
    const auto alive = shared_from_this();  // the callback may drop the handle
    loop.guard(callback);
    if (interval == 0 || source == nullptr) return;
    sd_event_source_set_time(source, boottime_us() + interval);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
  }

  static int on_time(sd_event_source*, std::uint64_t, void* state) {
    static_cast<State*>(state)->fire();
    return 0;
  }
  static int on_io(sd_event_source*, int, std::uint32_t, void* state) {
    static_cast<State*>(state)->fire();
    return 0;
  }
  static int on_signal(sd_event_source*, const signalfd_siginfo*, void* state) {
    static_cast<State*>(state)->fire();
    return 0;
  }

  Loop& loop;
  std::function<void()> callback;
  Microseconds interval = 0;  // of a repeating timer
  sd_event_source* source = nullptr;
};

Source::Source(std::shared_ptr<State> state) : state_(std::move(state)) {}

Source& Source::operator=(Source&& other) noexcept {
  if (this == &other) return *this;
  reset();
  state_ = std::move(other.state_);
  return *this;
}

Source::~Source() { reset(); }

void Source::reset() {
  if (state_ == nullptr) return;
  state_->stop();
  state_.reset();
}

Loop::Loop() { check(sd_event_new(&event_), "sd_event_new"); }

Loop::~Loop() {
  deferred_wakeup_.reset();
  permanent_.clear();
  sd_event_unref(event_);
}

int Loop::run() {
  const int code = sd_event_loop(event_);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  check(code, "sd_event_loop");
  return code;
}

void Loop::turn() {
  const int result = sd_event_run(event_, UINT64_MAX);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  check(result, "sd_event_run");
}

void Loop::exit(int code) { sd_event_exit(event_, code); }

void Loop::guard(const std::function<void()>& callback) {
  try {
    callback();
  } catch (...) {
    if (!failure_) failure_ = std::current_exception();
    sd_event_exit(event_, EXIT_FAILURE);
  }
}

void Loop::on_signal(int signal, std::function<void()> callback) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, signal);
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  auto state = std::make_shared<Source::State>(*this, std::move(callback));
  check(sd_event_add_signal(event_, &state->source, signal, Source::State::on_signal, state.get()),
        "sd_event_add_signal");
  permanent_.emplace_back(std::move(state));
}

Timer Loop::timer(Microseconds delay, Microseconds interval, std::function<void()> callback) {
  auto state = std::make_shared<Source::State>(*this, std::move(callback));
  state->interval = interval;
  check(sd_event_add_time(event_, &state->source, CLOCK_BOOTTIME, boottime_us() + delay, timer_accuracy_us,
                          Source::State::on_time, state.get()),
        "sd_event_add_time");
  return Timer(std::move(state));
}

Timer Loop::once(Microseconds delay, std::function<void()> callback) { return timer(delay, 0, std::move(callback)); }

Timer Loop::every(Microseconds interval, std::function<void()> callback) {
  return timer(interval, interval, std::move(callback));
}

Source Loop::on_readable(int fd, std::function<void()> callback) {
  auto state = std::make_shared<Source::State>(*this, std::move(callback));
  check(sd_event_add_io(event_, &state->source, fd, EPOLLIN, Source::State::on_io, state.get()), "sd_event_add_io");
  return Source(std::move(state));
}

void Loop::defer(std::function<void()> callback) {
  deferred_.push_back(std::move(callback));
  if (deferred_wakeup_) return;
  deferred_wakeup_ = once(0, [this] {
    deferred_wakeup_.reset();
    for (const auto& function : std::exchange(deferred_, {})) function();
  });
}

void Loop::send_watchdog() {
  const auto interval = watchdog_interval();
  if (interval) permanent_.push_back(every(*interval / 3, notify_watchdog));
}

Wakeup::Wakeup(Loop& loop, std::function<void()> callback) : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (fd_ < 0) throw Error(std::string("eventfd: ") + std::strerror(errno));
  source_ = loop.on_readable(fd_, [fd = fd_, callback = std::move(callback)] {
    eventfd_t count = 0;
    eventfd_read(fd, &count);
    callback();
  });
}

Wakeup::~Wakeup() {
  source_.reset();
  close(fd_);
}

void Wakeup::notify() noexcept { eventfd_write(fd_, 1); }

}  // namespace pvcd::runtime
