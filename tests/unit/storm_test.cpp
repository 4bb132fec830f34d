// The storm brake: many nodes that vanish at once are first taken for a sick network or a sick store.

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

// n1 is primary; each of the others owns a VM, and n1 has seen all of them alive.
struct Storm {
  World world;
  Coordinator n1{world};
  std::vector<NodeName> others;
  std::vector<NodeName> silent;

  explicit Storm(int nodes) {
    for (int i = 2; i <= nodes; ++i) {
      others.push_back("n" + std::to_string(i));
      if (i > 3) world.join(others.back());
      world.own("aaaaaaaa-0000-0000-0000-0000000001" + std::to_string(10 + i), others.back());
    }
    n1.round().refresh();
  }
  // Session and all.
  Storm& vanish(const NodeName& name) {
    world.lose(name);
    silent.push_back(name);
    return *this;
  }
  Storm& come_back(const NodeName& name) {
    world.live(name).session = true;
    std::erase(silent, name);
    return *this;
  }
  // Beside the store: what comes again and again, also of those that the store does not hear.
  Storm& is_heard(const std::vector<NodeName>& names) {
    heard = names;
    for (const NodeName& name : others) n1.heard[name] = {1, n1.now};
    return *this;
  }
  // The living beat, the BMCs answer, and the store takes what is planned.
  Storm& wait(Microseconds time, const std::map<NodeName, PowerState>& power = {}) {
    n1.wait(time);
    for (const NodeName& name : others)
      if (std::find(silent.begin(), silent.end(), name) == silent.end()) world.beat(name);
    world.beat("n1");
    for (const NodeName& name : heard) n1.heard[name] = {1, n1.now};
    for (const NodeName& name : silent) {
      auto state = power.find(name);
      n1.read(name, state == power.end() ? PowerState::On : state->second);
    }
    n1.round();
    for (const PutFence& put : n1.all<PutFence>()) {
      world.view.fences[put.record.victim.node] = {put.record, put.replaces.value_or(60) + 1};
      rejected[put.record.victim.node] = n1.why(put.key).rejected;
      n1.done(put.key);
    }
    for (const PowerOff& off : n1.all<PowerOff>()) offs.push_back(off.victim.node);
    return *this;
  }
  Storm& wait_for(Microseconds time, const std::map<NodeName, PowerState>& power = {}) {
    for (Microseconds passed = 0; passed < time; passed += milliseconds(250)) wait(milliseconds(250), power);
    return *this;
  }
  FenceRecord fence(const NodeName& name) const { return world.view.fences.at(name).value; }

  std::vector<NodeName> offs;
  std::vector<NodeName> heard;
  std::map<NodeName, std::vector<std::string>> rejected;  // by the fence that was written last of each
};

}  // namespace

TEST_CASE("one of three, or half of the others, is fenced as fast as ever: no storm") {
  const auto [nodes, lost] = GENERATE(table<int, int>({{3, 1}, {5, 1}, {5, 2}, {9, 4}}));
  Storm it(nodes);
  for (int i = 2; i < 2 + lost; ++i) it.vanish("n" + std::to_string(i));
  it.wait(0).wait(0).wait(0).wait(0);
  CHECK(it.offs.size() == static_cast<std::size_t>(lost));
}

TEST_CASE("most others vanish at once: what reads on is not switched off yet, and the fence says why") {
  Storm it(5);
  SECTION("sessions and all") {
    it.vanish("n2").vanish("n3").vanish("n4");
    it.wait_for(seconds(12));
  }
  SECTION("counters first") {
    it.silent = {"n2", "n3", "n4"};
    it.wait_for(seconds(6));
    for (const NodeName& name : it.silent) it.world.lose(name);
    it.wait_for(seconds(8));
  }
  CHECK(it.offs.empty());
  for (const NodeName name : {"n2", "n3", "n4"}) {
    CHECK(it.fence(name).phase == FencePhase::Intent);  // a join cancels it
    CHECK(it.fence(name).note.find("it vanished together with most other nodes") == 0);
  }
}

TEST_CASE("a storm ends when the nodes are back, or when it has lasted long enough") {
  Storm it(5);
  it.vanish("n2").vanish("n3").vanish("n4").wait_for(seconds(2));
  REQUIRE(it.offs.empty());
  SECTION("it was the network: they come back") {
    for (const NodeName name : {"n2", "n3", "n4"}) it.come_back(name);
    it.wait_for(seconds(60));
    CHECK(it.offs.empty());
  }
  SECTION("it was not: after the wait they are fenced, in parallel") {
    it.wait_for(seconds(11));
    CHECK(it.offs.size() == 3);
  }
  SECTION("one is back: the others may be on their way, and have the same time") {
    it.come_back("n4").wait_for(seconds(8));
    CHECK(it.offs.empty());
    it.wait_for(seconds(3));
    CHECK(it.offs == std::vector<NodeName>{"n2", "n3"});
  }
}

TEST_CASE("in a storm what reads off twice is switched off and proven at once: the truly dead are not kept waiting") {
  Storm it(5);
  it.vanish("n2").vanish("n3").vanish("n4");
  it.wait_for(seconds(2), {{"n2", PowerState::Off}, {"n3", PowerState::Off}});
  CHECK(it.offs == std::vector<NodeName>{"n2", "n3"});
  CHECK(it.fence("n4").phase == FencePhase::Intent);
}

TEST_CASE("in a storm the limit of open fences does not keep the truly dead waiting") {
  Storm it(12);
  std::map<NodeName, PowerState> power;
  for (int i = 2; i <= 12; ++i) it.vanish("n" + std::to_string(i));
  power["n11"] = power["n12"] = PowerState::Off;
  it.n1.settings.fences_at_once = 2;
  it.wait_for(seconds(3), power);
  CHECK(std::set<NodeName>(it.offs.begin(), it.offs.end()) == std::set<NodeName>{"n11", "n12"});
}

TEST_CASE("in a storm a fence that a person asked for goes on") {
  Storm it(5);
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.vanish("n2").vanish("n3").vanish("n4").wait_for(seconds(2));
  CHECK(it.offs == std::vector<NodeName>{"n2"});
}

TEST_CASE("nodes that vanish one after the other, or leave in order, or were gone before, are no storm") {
  Storm it(5);
  SECTION("one after the other: each is fenced before the next one falls silent") {
    it.vanish("n2").wait_for(seconds(7));
    it.vanish("n3").wait_for(seconds(7));
    it.vanish("n4").wait_for(seconds(2));
    CHECK(std::set<NodeName>(it.offs.begin(), it.offs.end()) == std::set<NodeName>{"n2", "n3", "n4"});
  }
  SECTION("most left in order") {
    it.world.says("n2", DaemonState::Left).says("n3", DaemonState::Stop);
    it.vanish("n2").vanish("n3").vanish("n4").wait_for(seconds(2));
    CHECK(it.offs == std::vector<NodeName>{"n4"});
  }
  SECTION("nobody saw them alive: a core that starts judges by what it sees") {
    Storm fresh(5);
    fresh.n1.memory = {};
    fresh.vanish("n2").vanish("n3").vanish("n4").wait_for(seconds(2));
    CHECK(fresh.offs.size() == 3);
  }
}

TEST_CASE("two of three vanish: with proof they are fenced after the wait, and without it a minority never acts (S5)") {
  Storm it(3);
  it.vanish("n2").vanish("n3");
  SECTION("with proof: the store has its servers elsewhere") {
    it.wait_for(seconds(12));
    CHECK(it.offs.empty());
    it.wait_for(seconds(1));
    CHECK(it.offs.size() == 2);
  }
  SECTION("without") {
    it.n1.may_act = false;
    it.wait_for(seconds(60));
    CHECK(it.n1.actions.empty());
    CHECK(it.world.view.fences.empty());
  }
}

TEST_CASE("in a storm the fence says what is sick, told by the ways that are left to look") {
  Storm it(6);
  std::map<NodeName, PowerState> power;
  std::string sick;
  SECTION("the store: most still send heartbeats beside it") {
    it.is_heard({"n2", "n3", "n4", "n6"});
    sick = "store sick, because most of them still send heartbeats beside the store";
  }
  SECTION("the network: nothing comes, and the BMCs read on") {
    it.is_heard({"n6"});
    sick =
        "network sick, because their heartbeats beside the store have stopped as well, and most of their BMCs read on";
  }
  SECTION("the nodes: most read off; one that does not is told so, too") {
    it.is_heard({"n6"});
    power = {{"n2", PowerState::Off}, {"n3", PowerState::Off}, {"n4", PowerState::Off}};
    sick = "node dead, because most of their BMCs read off";
  }
  SECTION("nobody knows: their heartbeats beside the store never came") {
    sick = "the network or the store may be sick";
  }
  SECTION("nobody knows: no BMC answers") {
    it.is_heard({"n6"});
    for (const NodeName& name : it.others) power[name] = PowerState::Unknown;
    sick = "the network or the store may be sick";
  }
  it.vanish("n2").vanish("n3").vanish("n4").vanish("n5");
  it.wait_for(seconds(4), power);
  const std::string note = "it vanished together with most other nodes: " + sick +
                           "; until that is clear only what reads off is switched off";
  CHECK(it.fence("n5").note == note);
  CHECK(it.fence("n5").phase == FencePhase::Intent);
  CHECK(it.rejected.at("n5") == std::vector<std::string>{"switch it off now: " + note});
  CHECK(std::count(it.offs.begin(), it.offs.end(), "n5") == 0);
}
