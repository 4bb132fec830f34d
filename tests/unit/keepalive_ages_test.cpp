#include "plugins/keepalive/ages.hpp"

#include <catch2/catch.hpp>

#include "plugins/keepalive/host_facts.hpp"

namespace pvcd::keepalive {

TEST_CASE("ages are counted from the last report of each unit", "[keepalive]") {
  Ages ages;
  CHECK(ages.accept({"core", "running", ""}, seconds(10)));
  CHECK(ages.accept({"ipmi", "starting", "connecting"}, seconds(11)));
  CHECK(ages.accept({"core", "running", "busy"}, seconds(12)));
  const auto units = ages.units(seconds(15));
  REQUIRE(units.size() == 2);
  CHECK(units.at("core") == UnitReport{"running", seconds(3), "busy"});
  CHECK(units.at("ipmi") == UnitReport{"starting", seconds(4), "connecting"});
}

TEST_CASE("a keepalive that comes back goes on from what it had published, until the units report again",
          "[keepalive]") {
  LiveRecord before;
  before.daemon_state = DaemonState::Run;
  before.units = {{"core", {"running", seconds(2), "busy"}}, {"libvirt", {"stalled", seconds(20), ""}}};
  Ages ages;
  ages.accept({"core", "running", ""}, seconds(99));
  ages.resume(before, seconds(100));
  CHECK(ages.daemon_state() == DaemonState::Run);
  CHECK(ages.units(seconds(101)).at("libvirt") == UnitReport{"stalled", seconds(21), ""});
  CHECK(ages.units(seconds(101)).at("core") == UnitReport{"running", seconds(2), ""});
}

TEST_CASE("what the core said to this process counts more than what a former one had published", "[keepalive]") {
  LiveRecord before;
  before.daemon_state = DaemonState::Run;
  Ages ages;
  ages.accept({"core", "shutdown", ""}, seconds(99));
  ages.resume(before, seconds(100));
  CHECK(ages.daemon_state() == DaemonState::Shutdown);
}

TEST_CASE("what is no report of a unit is not taken", "[keepalive]") {
  Ages ages;
  CHECK_FALSE(ages.accept({"", "running", ""}, 1));
  CHECK_FALSE(ages.accept({"../core", "running", ""}, 1));
  CHECK_FALSE(ages.accept({std::string(33, 'a'), "running", ""}, 1));
  CHECK_FALSE(ages.accept({"core", "splendid", ""}, 1));
  CHECK_FALSE(ages.accept({"core", "running", std::string(note_bytes_max + 1, 'x')}, 1));
  CHECK(ages.units(2).empty());
  CHECK(ages.accept({std::string(32, 'a'), "stalled", std::string(note_bytes_max, 'x')}, 1));
}

TEST_CASE("the number of units is bounded, those known go on", "[keepalive]") {
  Ages ages;
  for (std::size_t number = 0; number < units_max; ++number)
    CHECK(ages.accept({"unit-" + std::to_string(number), "running", ""}, 1));
  CHECK_FALSE(ages.accept({"one-more", "running", ""}, 2));
  CHECK(ages.accept({"unit-0", "running", ""}, 2));
  CHECK(ages.units(2).size() == units_max);
}

TEST_CASE("the node runs while its core does, and ends only in an orderly way", "[keepalive]") {
  Ages ages;
  CHECK(ages.daemon_state() == DaemonState::Init);
  ages.accept({"libvirt", "running", ""}, 1);
  ages.accept({"core", "starting", ""}, 1);
  CHECK(ages.daemon_state() == DaemonState::Init);
  ages.accept({"core", "running", ""}, 2);
  CHECK(ages.daemon_state() == DaemonState::Run);
  ages.accept({"core", "stalled", ""}, 3);
  ages.accept({"core", "starting", ""}, 4);  // it crashed and comes again
  CHECK(ages.daemon_state() == DaemonState::Run);
  ages.accept({"core", "shutdown", ""}, 5);
  CHECK(ages.daemon_state() == DaemonState::Shutdown);
  ages.accept({"core", "starting", ""}, 6);
  CHECK(ages.daemon_state() == DaemonState::Shutdown);
  ages.accept({"core", "running", ""}, 7);
  CHECK(ages.daemon_state() == DaemonState::Run);
}

TEST_CASE("a new life begins with the word that its join found, unless the core has said another", "[keepalive]") {
  Ages ages;
  ages.begin(DaemonState::Left);
  ages.accept({"core", "starting", ""}, 1);
  CHECK(ages.daemon_state() == DaemonState::Left);
  ages.accept({"core", "running", ""}, 2);
  CHECK(ages.daemon_state() == DaemonState::Run);
  ages.begin(DaemonState::Left);
  CHECK(ages.daemon_state() == DaemonState::Run);
}

TEST_CASE("a zombie of QEMU is not running, and other processes are not QEMU", "[keepalive]") {
  CHECK(is_living_qemu("812 (qemu-system-x86) S 1 812 812 0 -1"));
  CHECK(is_living_qemu("812 (qemu-system-x86) D 1 812 812 0 -1"));
  CHECK_FALSE(is_living_qemu("812 (qemu-system-x86) Z 1 812 812 0 -1"));
  CHECK_FALSE(is_living_qemu("812 (qemu-img) S 1 812 812 0 -1"));
  CHECK_FALSE(is_living_qemu("812 (a) qemu-system) S 1 812 812 0 -1"));
  CHECK_FALSE(is_living_qemu(""));
  CHECK_FALSE(is_living_qemu("812 (qemu-system-x86)"));
}

TEST_CASE("memory is what can be had without swapping, in bytes", "[keepalive]") {
  const auto memory = parse_meminfo("MemTotal:       16000 kB\nMemFree:  100 kB\nMemAvailable:    9000 kB\n");
  CHECK(memory.total == 16000 * 1024);
  CHECK(memory.available == 9000 * 1024);
  CHECK(parse_meminfo("").total == 0);
}

}  // namespace pvcd::keepalive
