// What a core may say of its own node.
#include "core/self.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;
using namespace pvcd::core;

TEST_CASE("a core that ends has been heard when the live entry of its own life says so, and not before") {
  const Life self{"n1", "boot-1", 3};
  logic::ClusterView view;
  view.complete = true;
  const auto publish = [&](Incarnation incarnation, DaemonState state) {
    LiveRecord live;
    live.daemon_state = state;
    view.live[{self.node, incarnation}] = {live, 1, true};
  };
  publish(2, DaemonState::Shutdown);  // of a former life
  publish(3, GENERATE(DaemonState::Init, DaemonState::Run));
  CHECK_FALSE(shutdown_is_heard(view, self));
  SECTION("it says so") {
    publish(3, GENERATE(DaemonState::Shutdown, DaemonState::Left, DaemonState::Stop));
    CHECK(shutdown_is_heard(view, self));
    view.complete = false;
    CHECK_FALSE(shutdown_is_heard(view, self));
  }
  SECTION("there is no such life") { CHECK(shutdown_is_heard(view, {"n1", "boot-1", 4})); }
}
