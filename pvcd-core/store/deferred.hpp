// Calls put off to the next turn of the loop, in order.
#pragma once

#include <functional>
#include <vector>

struct sd_event;
struct sd_event_source;

namespace pvcd::store {

// Throws Error when a call of sd-event failed; only used while something is being set up.
int require(int result, const char* what);

class Deferred {
 public:
  explicit Deferred(sd_event* loop);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  void post(std::function<void()> call);

 private:
  void run();

  sd_event_source* source_ = nullptr;
  std::vector<std::function<void()>> calls_;
};

}  // namespace pvcd::store
