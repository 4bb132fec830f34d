#include "plugins/election/guard.hpp"

#include <catch2/catch.hpp>

namespace pvcd::election {
namespace {

constexpr Microseconds limit = seconds(10);

LiveRecord with_core(Microseconds age) {
  LiveRecord live;
  live.units["core"] = {"running", age, ""};
  return live;
}

}  // namespace

TEST_CASE("a core may be as old as the limit, not older", "[election]") {
  CHECK(guard(with_core(limit), {}, limit, 1).vacate_because.empty());
  CHECK_FALSE(guard(with_core(limit + 1), {}, limit, 1).vacate_because.empty());
}

TEST_CASE("a core that is missing has as long, because a restarted keepalive knows no ages", "[election]") {
  LiveRecord without_core;
  without_core.units["ipmi"] = {"running", 0, ""};
  auto first = guard(without_core, {}, limit, seconds(100));
  CHECK(first.vacate_because.empty());
  auto later = guard(without_core, first.next, limit, seconds(110));
  CHECK(later.vacate_because.empty());
  CHECK_FALSE(guard(without_core, later.next, limit, seconds(110) + 1).vacate_because.empty());

  SECTION("counted anew after it has been seen") {
    auto seen = guard(with_core(0), later.next, limit, seconds(110));
    CHECK(guard(without_core, seen.next, limit, seconds(111)).vacate_because.empty());
  }
}

TEST_CASE("without a live entry the leadership does not count anyway", "[election]") {
  CHECK(guard(std::nullopt, {seconds(1)}, limit, seconds(100)).vacate_because.empty());
}

}  // namespace pvcd::election
