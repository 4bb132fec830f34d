#include "store/private_loop.hpp"

#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "store/deferred.hpp"
#include "store/request.hpp"

namespace pvcd::store {
namespace {

// So that a busy inner loop does not keep the outer one from its other sources.
constexpr int turns_at_once_max = 64;

}  // namespace

// The inner loop's descriptor tells only what the kernel knows. What was deferred inside is found by looking into it
// before the outer loop sleeps, and a look also arms the inner loop's next timer.
PrivateLoop::PrivateLoop(sd_event* outer) {
  require(sd_event_new(&inner_), "making an event loop");
  auto on_readable = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<PrivateLoop*>(self)->serve();
    return 0;
  };
  auto serve = [](sd_event_source*, void* self) {
    static_cast<PrivateLoop*>(self)->serve();
    return 0;
  };
  require(sd_event_add_io(outer, &readable_, sd_event_get_fd(inner_), EPOLLIN, on_readable, this),
          "adding an event loop to another one");
  require(sd_event_source_set_prepare(readable_, serve), "preparing an event loop inside another one");
  require(sd_event_add_defer(outer, &again_, serve, this), "adding a deferred call to the loop");
}

PrivateLoop::~PrivateLoop() {
  sd_event_source_disable_unref(again_);
  sd_event_source_disable_unref(readable_);
  sd_event_unref(inner_);
}

bool PrivateLoop::run_until(const std::function<bool()>& done, Instant deadline) {
  while (!done()) {
    const Instant now = boottime_now();
    if (now >= deadline || sd_event_run(inner_, deadline - now) < 0) return done();
  }
  return true;
}

void PrivateLoop::serve() {
  for (int turn = 0; turn < turns_at_once_max; ++turn)
    if (sd_event_run(inner_, 0) <= 0) return;
  sd_event_source_set_enabled(again_, SD_EVENT_ONESHOT);
}

}  // namespace pvcd::store
