#include "logic/liveness.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::World;

namespace {

constexpr Microseconds suspect_after = milliseconds(2500);

Health health_of(const World& world, const Sights& sights, Instant now, const NodeName& node = "n2") {
  return health(world.view, sights, node, now, suspect_after);
}

}  // namespace

TEST_CASE("silence is counted from when this observer first saw the counter's present value (rule 8)") {
  World world;
  Sights sights = look(world.view, {}, seconds(10));
  CHECK(silence(sights, "n2", seconds(12)) == seconds(2));
  sights = look(world.view, sights, seconds(12));
  CHECK(silence(sights, "n2", seconds(12)) == seconds(2));
  world.beat("n2");
  sights = look(world.view, sights, seconds(13));
  CHECK(silence(sights, "n2", seconds(13)) == 0);
  CHECK(silence(sights, "n1", seconds(13)) == seconds(3));
}

TEST_CASE("a node that was never looked at, or a look of the future, is not silent") {
  World world;
  CHECK(silence({}, "n2", seconds(10)) == 0);
  CHECK(silence(look(world.view, {}, seconds(10)), "n2", seconds(9)) == 0);
}

TEST_CASE("a new incarnation begins a new silence even with the same counter") {
  World world;
  Sights sights = look(world.view, {}, seconds(10));
  world.join("n2", 1, 2);
  sights = look(world.view, sights, seconds(15));
  CHECK(silence(sights, "n2", seconds(15)) == 0);
}

TEST_CASE("health is what session, counter and evidence say, and nothing else") {
  World world;
  const Sights sights = look(world.view, {}, 0);
  SECTION("a session and a moving counter: alive, up to and including suspect_after") {
    CHECK(health_of(world, sights, suspect_after) == Health::Alive);
  }
  SECTION("a session and a counter silent for longer: suspect") {
    CHECK(health_of(world, sights, suspect_after + 1) == Health::Suspect);
  }
  SECTION("no session: lost") {
    world.lose("n2");
    CHECK(health_of(world, sights, 0) == Health::Lost);
  }
  SECTION("no live entry: lost") {
    world.view.live.erase({"n2", 1});
    CHECK(health_of(world, sights, 0) == Health::Lost);
  }
  SECTION("evidence about its recorded boot: dead") {
    world.prove("n2");
    CHECK(health_of(world, sights, 0) == Health::Dead);
  }
  SECTION("evidence about an older boot of it means nothing for this one") {
    world.prove("n2");
    world.join("n2", 2, 2);
    CHECK(health_of(world, sights, 0) == Health::Alive);
  }
  SECTION("never joined: unknown") { CHECK(health_of(world, sights, 0, "n9") == Health::Unknown); }
  SECTION("not looked at yet: what its entry says, and without one unknown") {
    CHECK(health_of(world, {}, seconds(60)) == Health::Alive);
    world.lose("n2");
    CHECK(health_of(world, {}, seconds(60)) == Health::Lost);
    world.view.live.erase({"n2", 1});
    CHECK(health_of(world, {}, seconds(60)) == Health::Unknown);
  }
}

TEST_CASE("a node whose live entry cannot be read is unknown and not lost: unreadable is no proof of death") {
  World world;
  const Sights sights = look(world.view, {}, 0);
  world.view.live.erase({"n2", 1});
  CHECK(health_of(world, sights, 0) == Health::Lost);
  world.view.broken["/live/n2.1"] = "no JSON";
  CHECK(health_of(world, sights, 0) == Health::Unknown);
}

TEST_CASE("a join whose live entry has not come into view yet is no loss, unless it never comes") {
  World world;
  world.node("n2").incarnation = 2;
  const Sights sights = look(world.view, {}, 0);
  CHECK(health_of(world, sights, suspect_after) == Health::Unknown);
  CHECK(health_of(world, sights, suspect_after + 1) == Health::Lost);
}

TEST_CASE("the last word outlives the live entry, which evidence removes, until there is another") {
  World world;
  world.says("n2", DaemonState::Left).lose("n2");
  Sights sights = look(world.view, {}, 0);
  CHECK(last_word(sights, "n2") == DaemonState::Left);
  world.view.live.erase({"n2", 1});
  sights = look(world.view, sights, 1);
  CHECK(last_word(sights, "n2") == DaemonState::Left);
  CHECK(silence(sights, "n2", seconds(1)) == seconds(1));
  world.join("n2", 1, 2);
  const Live joined = world.live("n2");
  world.view.live.erase({"n2", 2});  // a join becomes visible in pieces
  sights = look(world.view, sights, 2);
  CHECK(last_word(sights, "n2") == DaemonState::Left);
  world.view.live[{"n2", 2}] = joined;
  world.says("n2", DaemonState::Run);
  CHECK(last_word(look(world.view, sights, 4), "n2") == DaemonState::Run);
  CHECK(last_word(sights, "n9") == DaemonState::Unknown);
}

TEST_CASE("life, or that it has left, is said of the node's present boot only, by an entry that is there") {
  World world;
  const BootId boot = world.life("n2").boot;
  const auto alive = [&](const NodeName& name, const BootId& of) { return shows_life(world.view, name, of); };
  const auto left = [&](const NodeName& name, const BootId& of) { return has_left(world.view, {name, of, 1}); };
  CHECK(alive("n2", boot));
  CHECK_FALSE(left("n2", boot));
  world.says("n2", DaemonState::Left);
  CHECK_FALSE(left("n2", boot));  // not before its session is over
  world.lose("n2");
  CHECK(left("n2", boot));
  CHECK_FALSE(alive("n2", boot));
  CHECK_FALSE(left("n2", "boot-n2-0"));
  CHECK_FALSE(left("n9", boot));
  world.live("n2").session = true;
  CHECK_FALSE(alive("n2", "boot-n2-0"));
  CHECK_FALSE(alive("n9", boot));
  world.view.live.erase({"n2", 1});
  CHECK_FALSE(alive("n2", boot));
  CHECK_FALSE(left("n2", boot));
}

TEST_CASE("evidence is about exactly one boot") {
  World world;
  world.prove("n2", EvidenceKind::Operator);
  REQUIRE(evidence_about(world.view, "boot-n2-1"));
  CHECK(evidence_about(world.view, "boot-n2-1")->kind == EvidenceKind::Operator);
  CHECK(evidence_about(world.view, "boot-n2-2") == nullptr);
}

namespace {

// What n1 sees, in steps of 100 ms: everybody beats but who is away.
struct Watched {
  World world;
  Sights sights = look(world.view, {}, seconds(1));
  Instant now = seconds(1);

  void pass(Microseconds time, const std::vector<NodeName>& away = {}) {
    for (const Instant end = now + time; now < end;) {
      now += milliseconds(100);
      for (const auto& [name, node] : world.view.nodes)
        if (std::find(away.begin(), away.end(), name) == away.end()) world.beat(name);
      Sights next = look(world.view, sights, now);
      note_hiccups(next, sights, "n1", now, suspect_after);
      sights = std::move(next);
    }
  }
  void hiccup(const std::vector<NodeName>& away = {"n2"}) {
    pass(seconds(3), away);
    pass(seconds(1));
  }
};

}  // namespace

TEST_CASE("three hiccups within a minute are flapping, two are a note, and a minute of peace ends it") {
  Watched it;
  it.hiccup();
  it.hiccup();
  CHECK(hiccups(it.sights, "n2", it.now) == 2);
  CHECK_FALSE(is_flapping(it.sights, "n2", it.now));
  it.hiccup();
  CHECK(is_flapping(it.sights, "n2", it.now));
  CHECK_FALSE(is_flapping(it.sights, "n3", it.now));
  it.pass(flapping_window - seconds(10));
  CHECK(is_flapping(it.sights, "n2", it.now));
  it.pass(seconds(3));  // the first of the three is out of the window
  CHECK_FALSE(is_flapping(it.sights, "n2", it.now));
  it.pass(seconds(10));
  CHECK(hiccups(it.sights, "n2", it.now) == 0);
}

TEST_CASE("a node that nobody has looked at has no hiccups") {
  CHECK(hiccups({}, "n2", seconds(100)) == 0);
  CHECK_FALSE(is_flapping({}, "n2", seconds(100)));
}

TEST_CASE("an entry that comes into view late is no hiccup: nothing was there that could be away") {
  Watched it;
  it.world.join("n4");
  const Live entry = it.world.live("n4");
  it.world.view.live.erase({"n4", 1});
  it.pass(seconds(3), {"n4"});
  it.world.view.live[{"n4", 1}] = entry;
  it.pass(seconds(1));
  CHECK(hiccups(it.sights, "n4", it.now) == 0);
  it.hiccup({"n4"});
  CHECK(hiccups(it.sights, "n4", it.now) == 1);  // the twin: it was there
}

TEST_CASE("who does not see itself does not know whether it was late, and counts no hiccups") {
  Watched it;
  it.world.view.nodes.erase("n1");  // its record cannot be read
  it.hiccup();
  CHECK(hiccups(it.sights, "n2", it.now) == 0);
}

TEST_CASE("a hiccup long after the observer's own counts") {
  Watched it;
  it.hiccup({"n1", "n2", "n3"});
  it.pass(seconds(5));
  it.hiccup();
  CHECK(hiccups(it.sights, "n2", it.now) == 1);
}

TEST_CASE("hiccups that are far apart are no flapping") {
  Watched it;
  for (int i = 0; i < 10; ++i) {
    it.hiccup();
    it.pass(seconds(27));
    CHECK_FALSE(is_flapping(it.sights, "n2", it.now));
  }
}

TEST_CASE("a silence up to the bound is no hiccup") {
  Watched it;
  for (int i = 0; i < 5; ++i) {
    it.pass(suspect_after - milliseconds(100), {"n2"});
    it.pass(seconds(1));
  }
  CHECK(hiccups(it.sights, "n2", it.now) == 0);
}

TEST_CASE("a silence while the observer's own heartbeat was silent is nobody's hiccup") {
  Watched it;
  for (int i = 0; i < 3; ++i) it.hiccup({"n1", "n2", "n3"});
  CHECK(hiccups(it.sights, "n2", it.now) == 0);
  CHECK(hiccups(it.sights, "n1", it.now) == 0);
  SECTION("whoever comes back first") {
    it.pass(seconds(3), {"n1", "n2", "n3"});
    SECTION("the node") { it.pass(milliseconds(500), {"n1", "n3"}); }
    SECTION("the observer") { it.pass(milliseconds(500), {"n2", "n3"}); }
    it.pass(seconds(1));
    CHECK(hiccups(it.sights, "n2", it.now) == 0);
    CHECK(hiccups(it.sights, "n3", it.now) == 0);
  }
}

TEST_CASE(
    "a new incarnation after a silence is one hiccup, and keeps those of the one before; who has left in order has "
    "none") {
  Watched it;
  it.hiccup();
  SECTION("lost") {
    it.pass(seconds(5), {"n2"});
    it.world.join("n2", 2, 2);
    it.pass(seconds(1));
    CHECK(hiccups(it.sights, "n2", it.now) == 2);
  }
  SECTION("left") {
    it.world.says("n2", DaemonState::Left);
    it.pass(seconds(1));
    it.pass(seconds(5), {"n2"});
    it.world.join("n2", 2, 2);
    it.pass(seconds(1));
    CHECK(hiccups(it.sights, "n2", it.now) == 1);
  }
}

TEST_CASE("heartbeats beside the store that stop together with the counter make a suspect sooner, and neither alone") {
  World world;
  const Instant heard_at = seconds(10);
  Sights sights = look(world.view, {}, seconds(10), {{"n2", {1, heard_at}}});
  CHECK_FALSE(is_quiet(sights, "n2", heard_at + quiet_after));
  CHECK(is_quiet(sights, "n2", heard_at + quiet_after + 1));
  CHECK(health_of(world, sights, heard_at + suspect_after * 3 / 4) == Health::Alive);
  CHECK(health_of(world, sights, heard_at + suspect_after * 3 / 4 + 1) == Health::Suspect);
  SECTION("they go on: only the counter says something") {
    sights = look(world.view, sights, seconds(11), {{"n2", {1, seconds(12)}}});
    CHECK_FALSE(is_quiet(sights, "n2", seconds(12)));
    CHECK(health_of(world, sights, seconds(12)) == Health::Alive);
    CHECK(health_of(world, sights, seconds(10) + suspect_after + 1) == Health::Suspect);
  }
  SECTION("the counter goes on: the way of the heartbeats is broken") {
    world.beat("n2");
    sights = look(world.view, sights, seconds(12));
    CHECK_FALSE(is_quiet(sights, "n2", seconds(12) + quiet_after));
    CHECK(health_of(world, sights, seconds(12) + quiet_after) == Health::Alive);
  }
  SECTION("they have stayed away for long") { CHECK_FALSE(is_quiet(sights, "n2", heard_at + quiet_for_good)); }
  SECTION("none ever came, or only of another life") {
    for (const Heards& heards : {Heards{}, Heards{{"n2", {7, heard_at}}}, Heards{{"n3", {1, heard_at}}}})
      CHECK_FALSE(is_quiet(look(world.view, {}, seconds(10), heards), "n2", seconds(12)));
  }
}

TEST_CASE("an address is a suspect's when its node is suspect or quiet, and is another node than the observer") {
  World world;
  world.view.nodes.at("n2").value.addresses = {"10.0.0.2", "fd00::2"};
  Sights sights = look(world.view, {}, seconds(10), {{"n2", {1, seconds(10)}}});
  const auto of_suspect = [&](const std::string& address, Instant now, const NodeName& observer = "n1") {
    return is_address_of_suspect(world.view, sights, address, observer, now, suspect_after);
  };
  const Instant quiet = seconds(10) + quiet_after + 1;
  CHECK(of_suspect("fd00::2", quiet));
  CHECK_FALSE(of_suspect("10.0.0.2", quiet - 1));
  CHECK_FALSE(of_suspect("10.0.0.9", quiet));
  CHECK_FALSE(of_suspect("", quiet));
  CHECK_FALSE(of_suspect("10.0.0.2", quiet, "n2"));
  SECTION("suspect, long after") {
    CHECK_FALSE(of_suspect("10.0.0.2", seconds(80)));  // the observer itself is late
    world.beat("n1");
    sights = look(world.view, sights, seconds(80));
    CHECK(of_suspect("10.0.0.2", seconds(80)));
  }
  SECTION("it has left, and its store's server runs on") {
    world.says("n2", DaemonState::Left).lose("n2");
    sights = look(world.view, sights, quiet);
    CHECK_FALSE(of_suspect("10.0.0.2", quiet));
  }
}
