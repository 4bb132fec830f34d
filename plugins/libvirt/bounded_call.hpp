// A call into libvirt ends when libvirtd lets it. Here it gets a thread of its own, and the caller waits no longer than
// it wants to.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "sdk/permit.hpp"

namespace pvcd::libvirt {

inline constexpr int unanswered_calls_max = 8;

// What the call asks again just before its act: a caller that has given up wants no late act.
class RightToAct {
 public:
  explicit RightToAct(const Permit& permit) : permit_(permit) {}
  bool holds() const { return !abandoned_ && pvcd::holds(permit_); }
  void abandon() { abandoned_ = true; }

 private:
  const Permit permit_;
  std::atomic<bool> abandoned_ = false;
};

inline std::atomic<int>& calls_under_way() {
  static std::atomic<int> count = 0;
  return count;
}

// Nothing: no answer in time, or too many earlier calls are without one. `work` may outlive the caller: it holds what
// it needs by value.
template <class Result>
std::optional<Result> call_bounded(Microseconds limit, const Permit& permit,
                                   std::function<Result(const RightToAct&)> work) {
  if (calls_under_way() >= unanswered_calls_max) return std::nullopt;
  struct Shared {
    explicit Shared(const Permit& permit) : right(permit) {}
    RightToAct right;
    std::promise<Result> promise;
  };
  const auto shared = std::make_shared<Shared>(permit);
  std::future<Result> answer = shared->promise.get_future();
  auto call = [shared, work = std::move(work)] {
    try {
      shared->promise.set_value(work(shared->right));
    } catch (...) {
      shared->promise.set_exception(std::current_exception());
    }
    --calls_under_way();
  };
  ++calls_under_way();
  try {
    std::thread(std::move(call)).detach();
  } catch (...) {  // no thread, no call
    --calls_under_way();
    throw;
  }
  if (answer.wait_for(std::chrono::microseconds(limit)) == std::future_status::ready) return answer.get();
  shared->right.abandon();
  return std::nullopt;
}

}  // namespace pvcd::libvirt
