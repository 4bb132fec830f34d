#include "store/deferred.hpp"

#include <systemd/sd-event.h>

#include <cstring>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::store {

int require(int result, const char* what) {
  if (result < 0) throw Error(std::string(what) + ": " + std::strerror(-result));
  return result;
}

Deferred::Deferred(sd_event* loop) {
  auto run_all = [](sd_event_source*, void* self) {
    static_cast<Deferred*>(self)->run();
    return 0;
  };
  require(sd_event_add_defer(loop, &source_, run_all, this), "adding a deferred call to the loop");
  sd_event_source_set_enabled(source_, SD_EVENT_OFF);
}

Deferred::~Deferred() { sd_event_source_disable_unref(source_); }

void Deferred::post(std::function<void()> call) {
  calls_.push_back(std::move(call));
  sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

// What a call posts comes in the next turn, so that calls that post again do not keep the loop for themselves.
void Deferred::run() {
  for (auto& call : std::exchange(calls_, {})) call();
}

}  // namespace pvcd::store
