// How a host that has just lost its power is found out without waiting for its counter or its session.
#include "fencing_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

TEST_CASE("a node whose heartbeats beside the store stop is read before it is suspect, and nothing more") {
  FencingCase it;
  it.n1.heard["n2"] = {1, it.n1.now};
  it.silence(quiet_after);
  CHECK_FALSE(it.reads());
  it.silence(1);
  CHECK(it.reads());
  it.n1.read("n2", PowerState::Off).wait(milliseconds(500)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  CHECK_FALSE(it.off());
}

TEST_CASE("reads of a quiet node count once it is suspect, and one that is heard again is not") {
  FencingCase it;
  it.n1.heard["n2"] = {1, it.n1.now};
  const Instant silent_since = it.n1.now;
  it.silence(quiet_after + 1);
  const Instant suspect = silent_since + suspect_when_quiet(it.n1.settings.suspect_after) + 1;
  it.n1.read("n2", PowerState::Off).wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.n1.now < suspect);
  CHECK_FALSE(it.put());
  CHECK(next_due(it.n1.memory, it.n1.now, it.n1.settings) <= suspect);
  it.n1.wait(suspect - it.n1.now);
  SECTION("silent") {
    it.n1.round();
    REQUIRE(it.put());
    CHECK(it.put()->record.phase == FencePhase::Acting);
  }
  SECTION("heard") {
    it.n1.heard["n2"] = {1, it.n1.now};
    it.n1.round();
    CHECK_FALSE(it.put());
    CHECK_FALSE(it.reads());
  }
}

TEST_CASE("the read that confirms an off comes as soon as it may") {
  FencingCase it;
  it.silence(seconds(3));
  const Instant first = it.n1.now;
  it.n1.read("n2", PowerState::Off).round();
  CHECK(next_due(it.n1.memory, it.n1.now, it.n1.settings) == first + milliseconds(250));
  it.n1.wait(milliseconds(900)).round();
  it.n1.read("n2", PowerState::Off).round();
  CHECK(next_due(it.n1.memory, it.n1.now, it.n1.settings) == first + seconds(1));
  it.n1.wait(milliseconds(99)).round();
  CHECK_FALSE(it.reads());
  it.n1.wait(milliseconds(1)).round();
  CHECK(it.reads());
}

TEST_CASE("a round is due when a node that was heard may be quiet, and none where nothing waits for the time") {
  FencingCase it;
  CHECK_FALSE(next_due(it.n1.memory, it.n1.now, it.n1.settings));
  const Instant heard_at = it.n1.now + milliseconds(100);
  it.n1.heard["n2"] = {1, heard_at};
  it.n1.wait(milliseconds(200)).round();
  CHECK(next_due(it.n1.memory, it.n1.now, it.n1.settings) == heard_at + quiet_after + 1);
  CHECK(next_due(it.n1.memory, heard_at + quiet_after + 1, it.n1.settings) ==
        it.n1.memory.sights.at("n2").first_seen + suspect_when_quiet(it.n1.settings.suspect_after) + 1);
  SECTION("of two the sooner, whatever their names") {
    it.n1.heard["n3"] = {1, heard_at - milliseconds(50)};
    it.n1.round();
    CHECK(next_due(it.n1.memory, it.n1.now, it.n1.settings) == heard_at - milliseconds(50) + quiet_after + 1);
  }
}
