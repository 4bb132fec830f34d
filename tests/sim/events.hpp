// Virtual time and the one queue of everything that is going to happen.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd::sim {

class Events {
 public:
  using Act = std::function<void()>;

  Instant now() const { return now_; }

  void at(Instant when, Act act) {
    queue_.push_back({std::max(when, now_), order_++, std::move(act)});
    std::push_heap(queue_.begin(), queue_.end(), later);
  }
  void after(Microseconds delay, Act act) { at(now_ + delay, std::move(act)); }

  void run_until(Instant end) {
    while (!queue_.empty() && queue_.front().when <= end) run_one();
    now_ = std::max(now_, end);
  }

 private:
  struct Event {
    Instant when;
    std::uint64_t order;  // of equal times, the one that was asked for first
    Act act;
  };
  static bool later(const Event& left, const Event& right) {
    return left.when != right.when ? left.when > right.when : left.order > right.order;
  }

  void run_one() {
    std::pop_heap(queue_.begin(), queue_.end(), later);
    Event event = std::move(queue_.back());
    queue_.pop_back();
    now_ = event.when;
    event.act();
  }

  Instant now_ = 0;
  std::uint64_t order_ = 0;
  std::vector<Event> queue_;
};

}  // namespace pvcd::sim
