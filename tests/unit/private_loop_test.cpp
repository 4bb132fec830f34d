#include "store/private_loop.hpp"

#include <systemd/sd-event.h>

#include <catch2/catch.hpp>

#include "store/deferred.hpp"
#include "tests/unit/fake_host.hpp"

namespace pvcd::store {
namespace {

int set_true(sd_event_source*, void* flag) {
  *static_cast<bool*>(flag) = true;
  return 0;
}
int set_true_on_time(sd_event_source*, std::uint64_t, void* flag) {
  *static_cast<bool*>(flag) = true;
  return 0;
}

}  // namespace

TEST_CASE("the outer loop serves what is deferred, timed and chained inside", "[store]") {
  test::FakeHost host;
  PrivateLoop loop(host.loop());
  bool timed = false;
  REQUIRE(sd_event_add_time_relative(loop.get(), nullptr, CLOCK_MONOTONIC, milliseconds(20), 1, set_true_on_time,
                                     &timed) >= 0);
  CHECK(host.turn_until([&] { return timed; }));

  Deferred deferred(loop.get());
  int count = 0;
  std::function<void()> again = [&] {
    if (++count < 500) deferred.post(again);  // more than one serving
  };
  deferred.post(again);
  CHECK(host.turn_until([&] { return count == 500; }));
}

TEST_CASE("it is turned inside a handler of the outer loop", "[store]") {
  struct Context {
    PrivateLoop* loop;
    bool inner = false;
    bool waited = false;
  };
  test::FakeHost host;
  PrivateLoop loop(host.loop());
  Context context{&loop};
  auto handler = [](sd_event_source*, void* given) {
    auto& seen = *static_cast<Context*>(given);
    sd_event_add_defer(seen.loop->get(), nullptr, set_true, &seen.inner);
    seen.waited = seen.loop->run_until([&] { return seen.inner; }, boottime_now() + seconds(10));
    return 0;
  };
  REQUIRE(sd_event_add_defer(host.loop(), nullptr, handler, &context) >= 0);
  CHECK(host.turn_until([&] { return context.waited; }));
}

TEST_CASE("a wait ends at its deadline", "[store]") {
  test::FakeHost host;
  PrivateLoop loop(host.loop());
  const Instant deadline = boottime_now() + milliseconds(30);
  CHECK_FALSE(loop.run_until([] { return false; }, deadline));
  CHECK(boottime_now() >= deadline);
}

}  // namespace pvcd::store
