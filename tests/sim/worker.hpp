// The process of one plugin: one request after the other, each as a chain of steps in virtual time. Stopped, it does
// them late; killed, never. Follows host/worker.cpp and core/plugins.cpp.
#pragma once

#include <deque>
#include <memory>

#include "process.hpp"

namespace pvcd::sim {

class Worker {
 public:
  using Work = std::function<void(Events::Act done)>;

  explicit Worker(Events& events) : process(events) {}

  void start() {
    process.start();
    queue_.clear();
    busy_ = false;
  }

  void submit(Work work) {
    constexpr std::size_t queue_limit = 16;
    if (queue_.size() >= queue_limit) return;
    queue_.push_back(std::move(work));
    if (!busy_) next();
  }

  enum class Thread { Own, OfItsLane };  // a fencer's calls about different nodes come at the same time

  // Asks from another process. Exactly one answer: what the work gave, or `unknown` when it is absent or too late; the
  // work is not withdrawn then.
  template <class Reply>
  void call(Process& caller, Microseconds limit, Reply unknown, std::function<void(std::function<void(Reply)>)> work,
            std::function<void(Reply)> answered, Thread thread = Thread::Own) {
    constexpr Microseconds bus_time = 400;
    auto open = std::make_shared<bool>(true);
    const auto answer = [open, answered](const Reply& reply) {
      if (std::exchange(*open, false)) answered(reply);
    };
    if (!process.lives()) return caller.after(bus_time, [answer, unknown] { answer(unknown); });
    caller.after(limit, [answer, unknown] { answer(unknown); });
    const Work asked = [&caller, life = caller.life(), work = std::move(work), answer](const Events::Act& done) {
      work([&caller, life, answer, done](Reply reply) {
        done();
        if (caller.life() == life) caller.after(bus_time, [answer, reply] { answer(reply); });
      });
    };
    process.after(bus_time, [this, asked, thread] {
      if (thread == Thread::Own)
        submit(asked);
      else
        asked([] {});
    });
  }

  Process process;

 private:
  void next() {
    if (queue_.empty()) return;
    busy_ = true;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    work([this] {
      busy_ = false;
      process.after(0, [this] {
        if (!busy_) next();
      });
    });
  }

  std::deque<Work> queue_;
  bool busy_ = false;
};

}  // namespace pvcd::sim
