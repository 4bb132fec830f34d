// When fences and evidence have done their work.

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::Coordinator;
using test::mail;
using test::web;
using test::World;

namespace {

struct SettlingCase {
  World world;
  Coordinator n1{world};
};

}  // namespace

TEST_CASE("a fence is closed when nothing is left to settle, and not before (findings F13 and F14)") {
  SettlingCase it;
  it.world.own(web, "n2");
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.lose("n2");
  const auto dropped = [&] { return it.n1.refresh().round().plans("drop-fence/n2"); };
  SECTION("confirmed, but a VM is still to be moved away") {
    it.world.fence("n2", FencePhase::Confirmed);
    it.world.prove("n2");
    CHECK_FALSE(dropped());
    it.world.own(web, "n3", 2);
    CHECK(dropped());
    CHECK(it.n1.with_key<DropFence>("drop-fence/n2")->version == 60);
  }
  SECTION("open, but an operator has confirmed it off: it takes no turn of the storm brake for ever") {
    it.world.fence("n2", FencePhase::Acting);
    it.world.prove("n2", EvidenceKind::Operator);
    it.world.own(web, "n3", 2);
    CHECK(dropped());
  }
  SECTION("open about a lost node") {
    it.world.fence("n2", FencePhase::Acting);
    CHECK_FALSE(dropped());
  }
  SECTION("the node joined in a later boot: that is evidence once it is committed") {
    it.world.fence("n2", FencePhase::Acting);
    const Life old = it.world.life("n2");
    it.world.join("n2", 2, 2);
    CHECK_FALSE(dropped());
    it.world.view.evidence[old.boot] = {EvidenceRecord{EvidenceKind::LaterBoot, old, "n1", 7, {}, {}}, 70};
    CHECK(dropped());
  }
  SECTION("the node joined in a later boot and owned nothing") {
    it.world.fence("n2", FencePhase::Acting);
    it.world.join("n2", 2, 2).own(web, "n3", 2);
    CHECK(dropped());
  }
  SECTION("the node is not on record any more") {
    it.world.fence("n2", FencePhase::Confirmed);
    it.world.view.nodes.erase("n2");
    CHECK(dropped());
  }
}

TEST_CASE(
    "a fence that nothing was sent for is closed when the node has joined again; an acting one is settled first (rule "
    "4)") {
  SettlingCase it;
  it.world.own(web, "n2");
  const FencePhase phase = GENERATE(FencePhase::Intent, FencePhase::Acting);
  it.world.fence("n2", phase);
  it.world.join("n2", 1, 2);
  CHECK(it.n1.round().plans("drop-fence/n2") == (phase == FencePhase::Intent));
}

TEST_CASE("a fence of a node that proves itself alive is closed, unless a person asked for it (rule 4)") {
  SettlingCase it;
  it.world.fence("n2", GENERATE(FencePhase::Intent, FencePhase::Acting));
  SECTION("nobody asked") { CHECK(it.n1.round().plans("drop-fence/n2")); }
  SECTION("asked") {
    it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
    CHECK_FALSE(it.n1.round().plans("drop-fence/n2"));
  }
  SECTION("it is only suspect") {
    it.n1.memory.sights = look(it.world.view, {}, it.n1.now);
    CHECK_FALSE(it.n1.wait(seconds(3)).round().plans("drop-fence/n2"));
  }
}

TEST_CASE("evidence is kept while a VM or the node's record depends on it") {
  SettlingCase it;
  it.world.own(web, "n2");
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.prove("n2");
  const auto dropped = [&] { return it.n1.refresh().round().plans("drop-evidence/boot-n2-1"); };
  CHECK_FALSE(dropped());
  it.world.own(web, "n3", 2);
  CHECK_FALSE(dropped());  // that boot could come back and must find it
  SECTION("a later boot has joined") { it.world.join("n2", 2, 2); }
  SECTION("the node is not on record any more") { it.world.view.nodes.erase("n2"); }
  CHECK(dropped());
}

TEST_CASE("evidence about a later boot's predecessor is kept while it is owed") {
  SettlingCase it;
  it.world.own(web, "n2");
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.prove("n2");
  it.world.join("n2", 2, 2);
  CHECK_FALSE(it.n1.round().plans("drop-evidence/boot-n2-1"));
  it.world.view.owners.at(web).value.released = true;
  CHECK(it.n1.round().plans("drop-evidence/boot-n2-1"));
}

TEST_CASE("while an owner record cannot be read nothing is closed: it may owe what is not known") {
  SettlingCase it;
  it.world.fence("n2", FencePhase::Confirmed);
  it.world.prove("n2");
  it.world.join("n2", 2, 2);
  it.world.view.broken["/owners/" + mail] = "no JSON";
  it.n1.round();
  CHECK_FALSE(it.n1.plans("drop-fence/n2"));
  CHECK_FALSE(it.n1.plans("drop-evidence/boot-n2-1"));
  it.world.view.broken = {{"/runs/" + mail, "no JSON"}};
  it.n1.round();
  CHECK(it.n1.plans("drop-fence/n2"));
  CHECK(it.n1.plans("drop-evidence/boot-n2-1"));
}
