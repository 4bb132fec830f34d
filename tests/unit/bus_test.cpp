// The system bus on a loop that has other things to do, too.
#include "runtime/bus.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "private_bus.hpp"
#include "runtime/clock.hpp"

using namespace pvcd;

namespace {

constexpr Microseconds bus_limit = seconds(20);
constexpr int calls = 300;
constexpr int answer_bytes_min = 60;

int readable_bytes(const sdbus::IConnection& connection) {
  int bytes = 0;
  REQUIRE(ioctl(connection.getEventLoopPollData().fd, FIONREAD, &bytes) == 0);
  return bytes;
}

}  // namespace

TEST_CASE("a flood of messages leaves the loop its other turns, and none of them is lost") {
  const test::PrivateBus daemon;
  runtime::Loop loop;
  runtime::Bus bus(loop, runtime::connect_system_bus(), [](const std::string& why) { FAIL(why); });
  const auto proxy = sdbus::createProxy(bus.connection(), "org.freedesktop.DBus", "/org/freedesktop/DBus");
  proxy->finishRegistration();
  int answered = 0;
  for (int i = 0; i < calls; ++i)
    proxy->callMethodAsync("GetId")
        .onInterface("org.freedesktop.DBus")
        .uponReplyInvoke([&](const sdbus::Error*, const std::string&) { ++answered; });
  const Instant not_after = runtime::boottime_us() + bus_limit;
  while (readable_bytes(bus.connection()) < calls * answer_bytes_min) REQUIRE(runtime::boottime_us() < not_after);
  int most_in_a_turn = 0;
  while (answered < calls) {
    REQUIRE(runtime::boottime_us() < not_after);
    const int before = answered;
    loop.turn();
    most_in_a_turn = std::max(most_in_a_turn, answered - before);
  }
  CHECK(most_in_a_turn < calls / 2);
}
