#include "runtime/loop.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/clock.hpp"

using namespace pvcd;
using runtime::Loop;
using runtime::Timer;

namespace {

// A test that waits for something that never comes ends with this code.
constexpr int overdue = 99;
constexpr Microseconds loop_limit = seconds(20);

}  // namespace

TEST_CASE("a timer fires once, not before its time") {
  Loop loop;
  const Instant begin = runtime::boottime_us();
  Instant fired_at = 0;
  int count = 0;
  const Timer timer = loop.once(milliseconds(20), [&] {
    ++count;
    fired_at = runtime::boottime_us();
  });
  const Timer end = loop.once(milliseconds(100), [&] { loop.exit(0); });
  CHECK(loop.run() == 0);
  CHECK(count == 1);
  CHECK(fired_at >= begin + milliseconds(20));
}

TEST_CASE("a dropped timer does not fire, one that is kept does") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  bool fired = false;
  Timer dropped = loop.once(milliseconds(1), [&] { fired = true; });
  dropped.reset();
  CHECK_FALSE(dropped);
  const Timer kept = loop.once(milliseconds(5), [&] { loop.exit(7); });
  CHECK(loop.run() == 7);
  CHECK_FALSE(fired);
}

TEST_CASE("a repeating timer goes on until it is dropped in its own callback") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  int count = 0;
  Timer timer = loop.every(milliseconds(1), [&] {
    if (++count == 3) timer.reset();
  });
  Timer end;
  const Timer look = loop.every(milliseconds(5), [&] {
    if (count >= 3 && !end) end = loop.once(milliseconds(20), [&] { loop.exit(0); });
  });
  CHECK(loop.run() == 0);
  CHECK(count == 3);
}

TEST_CASE("a timer may be replaced in its own callback") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  Timer timer;
  timer = loop.once(1, [&] { timer = loop.once(1, [&] { loop.exit(3); }); });
  CHECK(loop.run() == 3);
}

TEST_CASE("deferred functions come later and in order, those they defer too") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  std::vector<int> order;
  loop.defer([&] {
    order.push_back(1);
    loop.defer([&] {
      order.push_back(3);
      loop.exit(0);
    });
  });
  loop.defer([&] { order.push_back(2); });
  CHECK(order.empty());
  CHECK(loop.run() == 0);
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("an exception in a callback comes out of run") {
  Loop loop;
  loop.defer([] { throw std::runtime_error("broken"); });
  CHECK_THROWS_WITH(loop.run(), "broken");
}

TEST_CASE("a signal is an event") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  loop.on_signal(SIGUSR1, [&] { loop.exit(4); });
  kill(getpid(), SIGUSR1);
  CHECK(loop.run() == 4);
}

TEST_CASE("another thread wakes the loop") {
  Loop loop;
  const Timer guard = loop.once(loop_limit, [&] { loop.exit(overdue); });
  const auto here = std::this_thread::get_id();
  std::thread::id there;
  runtime::Wakeup wakeup(loop, [&] {
    there = std::this_thread::get_id();
    loop.exit(0);
  });
  std::thread thread([&] { wakeup.notify(); });
  CHECK(loop.run() == 0);
  CHECK(there == here);
  thread.join();
}
