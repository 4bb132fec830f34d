// Of each fence exactly one coordinator acts; what comes late is about nothing any more.

#include "fencing_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

// n1, the primary, owns a VM and has fallen silent; n2 and n3 look after it.
struct SilentPrimary {
  World world;
  Coordinator n2{world, "n2"};
  Coordinator n3{world, "n3"};

  SilentPrimary() {
    world.own(web, "n1");
    n2.round();
    n3.round();
    wait(seconds(3));
  }
  void wait(Microseconds time) {
    n2.wait(time);
    n3.wait(time);
    world.beat_all_but("n1");
    n2.round();
    n3.round();
  }
  void both_read_off_twice() {
    for (Coordinator* one : {&n2, &n3}) one->read("n1", PowerState::Off).round();
    wait(seconds(1));
    for (Coordinator* one : {&n2, &n3}) one->read("n1", PowerState::Off).round();
  }
  // Only one of two writes at the same version succeeds.
  void store_takes(Coordinator& winner, Coordinator& loser) {
    const PutFence* put = winner.with_key<PutFence>("fence/n1");
    REQUIRE(put);
    const auto present = world.view.fences.find("n1");
    REQUIRE(put->replaces.has_value() == (present != world.view.fences.end()));
    if (put->replaces) REQUIRE(*put->replaces == present->second.version);
    world.view.fences["n1"] = {put->record, put->replaces.value_or(60) + 1};
    winner.done("fence/n1");
    loser.done("fence/n1", Outcome::Refused);
  }
};

// A fence of the silent primary by n2, as n3 sees it.
struct FenceOfAnother : SilentPrimary {
  FenceOfAnother() {
    both_read_off_twice();
    store_takes(n2, n3);
    n3.round();
  }
};

}  // namespace

TEST_CASE("of two coordinators that both saw the silent primary read off, the one that the record names sends off") {
  SilentPrimary it;
  it.both_read_off_twice();
  REQUIRE(it.n2.plans("fence/n1"));
  REQUIRE(it.n3.plans("fence/n1"));
  Coordinator& winner = GENERATE(false, true) ? it.n2 : it.n3;
  Coordinator& loser = &winner == &it.n2 ? it.n3 : it.n2;
  it.store_takes(winner, loser);
  winner.round();
  loser.round();
  CHECK(winner.plans("off/n1"));
  CHECK_FALSE(loser.plans("off/n1"));
  for (int i = 0; i < 29; ++i) {
    it.wait(seconds(1));
    CHECK_FALSE(loser.plans("off/n1"));
    CHECK_FALSE(loser.plans("fence/n1"));
    CHECK_FALSE(loser.plans("read/n1"));  // it is not in the way of the other's either
  }
}

TEST_CASE("who takes a fence over rewrites it first, then reads off twice itself before it sends (rule 9)") {
  FenceOfAnother it;
  SECTION("who acted is gone") { it.world.lose("n2"); }
  SECTION("who acted is silent") {
    for (int i = 0; i < 3; ++i) {
      it.world.beat("n3");
      it.n3.wait(seconds(1)).round();
      if (i < 2) CHECK_FALSE(it.n3.plans("fence/n1"));
    }
  }
  SECTION("who acted has not come further for as long as an attempt may take") {
    it.wait(seconds(30));
    CHECK_FALSE(it.n3.plans("fence/n1"));
    it.wait(1);
  }
  if (!it.n3.plans("fence/n1")) it.n3.round();
  CHECK_FALSE(it.n3.plans("off/n1"));
  const PutFence* put = it.n3.with_key<PutFence>("fence/n1");
  REQUIRE(put);
  CHECK(put->record.by == "n3");
  CHECK(put->record.phase == FencePhase::Acting);
  CHECK(put->replaces == it.world.view.fences.at("n1").version);
  it.store_takes(it.n3, it.n2);
  it.n3.wait(milliseconds(250)).round();
  CHECK_FALSE(it.n3.plans("off/n1"));  // what it read before the other acted counts no more
  REQUIRE(it.n3.plans("read/n1"));
  it.n3.read("n1", PowerState::Off).round().wait(milliseconds(999)).read("n1", PowerState::Off).round();
  CHECK_FALSE(it.n3.plans("off/n1"));
  it.n3.wait(1000).read("n1", PowerState::Off).round();
  CHECK(it.n3.plans("off/n1"));
}

TEST_CASE("a fence that comes further is left to who acts, however long it takes") {
  FenceOfAnother it;
  for (int i = 0; i < 4; ++i) {
    it.wait(seconds(20));
    CHECK_FALSE(it.n3.plans("fence/n1"));
    it.world.view.fences.at("n1").version++;  // another attempt, another note
    it.n3.round();
  }
  it.wait(seconds(31));
  CHECK(it.n3.plans("fence/n1"));
}

TEST_CASE("who lost a fence to another sends nothing on the strength of what it had read") {
  FenceOfAnother it;
  it.n2.round();
  REQUIRE(it.n2.plans("off/n1"));
  const PowerOff off = *it.n2.with_key<PowerOff>("off/n1");
  CHECK(still_holds(off, it.world.view));
  it.world.view.fences.at("n1").value.by = "n3";
  it.world.view.fences.at("n1").version++;
  CHECK_FALSE(still_holds(off, it.world.view));
  it.n2.done("off/n1").round();
  CHECK_FALSE(it.n2.plans("off/n1"));
}

TEST_CASE("the next primary takes a fence of an earlier one over at once and goes on with it (finding F13)") {
  World world;
  world.own(web, "n2");
  world.lose("n2");
  FenceRecord& fence = world.fence("n2", FencePhase::Acting);
  fence.by = "n3";
  Coordinator n1{world};
  SECTION("of an earlier epoch") { fence.epoch = 6; }
  SECTION("whose node is gone") { world.lose("n3"); }
  SECTION("the twin of its own is gone on with at once") {
    fence.by = "n1";
    n1.round();
    CHECK(n1.plans("off/n2"));
    return;
  }
  n1.round();
  CHECK_FALSE(n1.plans("off/n2"));
  const PutFence* put = n1.with_key<PutFence>("fence/n2");
  REQUIRE(put);
  CHECK(put->record.by == "n1");
  CHECK(put->record.epoch == 7);
  CHECK(put->record.phase == FencePhase::Acting);
  CHECK(put->record.reason == "its session is gone and it may still write");
  world.view.fences["n2"] = {put->record, 61};
  n1.done("fence/n2").round();
  CHECK(n1.plans("off/n2"));
}

TEST_CASE("an off holds only as long as its reason: the fence as it was, the victim silent, the epoch (rule 4)") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  const PowerOff off = *it.off();
  CHECK(off.epoch == 7);
  CHECK(off.fence_version == 60);
  ClusterView& view = it.world.view;
  CHECK(still_holds(off, view));
  const Live entry = it.world.live("n2");
  view.live.erase({"n2", 1});
  CHECK(still_holds(off, view));  // no entry, no sign of life
  view.live[{"n2", 1}] = entry;
  SECTION("the fence was closed") { view.fences.clear(); }
  SECTION("the fence was rewritten") { view.fences.at("n2").version++; }
  SECTION("another primary") { it.world.lead("n3", 8); }
  SECTION("nobody is known to be primary") { view.leader.reset(); }
  SECTION("it is proven already") { it.world.prove("n2"); }
  SECTION("it joined again") { it.world.join("n2", 1, 2); }
  SECTION("it joined in a later boot") { it.world.join("n2", 2, 1); }
  SECTION("it showed life") { it.world.beat("n2"); }
  SECTION("its record is gone") { view.nodes.erase("n2"); }
  CHECK_FALSE(still_holds(off, view));
}

TEST_CASE("an off that a person asked for holds although the victim shows life") {
  World world;
  Coordinator n1{world};
  world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  world.fence("n2", FencePhase::Intent);
  n1.round();
  world.fence("n2", FencePhase::Acting);
  n1.round();
  REQUIRE(n1.plans("off/n2"));
  const PowerOff off = *n1.with_key<PowerOff>("off/n2");
  world.beat("n2");
  CHECK(still_holds(off, world.view));
  world.view.fences.at("n2").version++;
  CHECK_FALSE(still_holds(off, world.view));
}

TEST_CASE("an answer about an off for another reason is ignored") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  const auto accepted = [&] { return it.n1.memory.power.at("n2").off_accepted.has_value(); };
  const Instant asked_at = it.n1.now;
  Life victim = it.world.life("n2");
  bool counts = false;
  SECTION("of another incarnation") { victim.incarnation++; }
  SECTION("of another boot") { victim.boot = "boot-n2-0"; }
  SECTION("decided before the victim showed life, accepted after it") {
    it.world.beat("n2");
    it.n1.wait(1).round();
  }
  SECTION("the twin about this one") { counts = true; }
  it.n1.wait(seconds(1));
  it.n1.answers.push_back(PowerActed{victim, {Outcome::Done, ""}, asked_at, it.n1.now});
  it.n1.done("off/n2").round();
  CHECK(accepted() == counts);
  CHECK(it.n1.memory.power.at("n2").failures == 0);
}

TEST_CASE("after a failed attempt a suspect is looked at again before another off (rule 4)") {
  FencingCase it;
  it.silence(seconds(3));
  for (int i = 0; i < 2; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  it.fence_is_seen();
  it.n1.round();
  REQUIRE(it.off());
  it.n1.off_answer("n2", Outcome::Unknown, "timeout").round();
  it.fence_is_seen();  // that it failed
  it.world.beat_all_but("n2");
  it.n1.wait(seconds(1)).round();
  CHECK_FALSE(it.off());
  CHECK_FALSE(it.n1.plans("drop-fence/n2"));
  SECTION("it was switched on meanwhile") {
    it.n1.read("n2", PowerState::On).round();
    CHECK_FALSE(it.off());
    CHECK(it.n1.plans("drop-fence/n2"));
  }
  SECTION("it is still off") {
    it.n1.read("n2", PowerState::Off).round().wait(seconds(1)).read("n2", PowerState::Off).round();
    CHECK(it.off());
  }
}
