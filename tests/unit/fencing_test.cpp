// From silence to evidence: what may be read, what may be sent, and what counts as proof.

#include <catch2/catch.hpp>

#include "logic/round.hpp"
#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::Coordinator;
using test::gib;
using test::mail;
using test::web;
using test::World;

namespace {

// n1 is primary; n2 owns web1 and has beaten once.
struct Case {
  World world;
  Coordinator n1{world};

  Case() {
    world.own(web, "n2");
    world.run(web);
    n1.round().refresh();
  }
  // The others go on, n2 does not.
  Case& silence(Microseconds time) {
    n1.wait(time);
    world.beat_all_but("n2");
    n1.round();
    return *this;
  }
  const PutFence* put() const { return n1.with_key<PutFence>("fence/n2"); }
  const PowerOff* off() const { return n1.with_key<PowerOff>("off/n2"); }
  const CommitEvidence* evidence() const { return n1.with_key<CommitEvidence>("evidence/boot-n2-1"); }
  bool reads() const { return n1.plans("read/n2"); }
  // The store took the fence that was just planned.
  void fence_is_seen() {
    REQUIRE(put());
    world.view.fences["n2"] = {put()->record, 60};
    n1.done("fence/n2");
  }
};

// n2 is lost and its fence is acting; the BMC has answered.
struct Acting : Case {
  Acting() {
    world.lose("n2");
    n1.round();
    fence_is_seen();
    n1.round().read("n2", PowerState::On).round();
    fence_is_seen();
  }
};

}  // namespace

// --------------------------------------------------------------------------------------------------------------- suspects

TEST_CASE("a suspect is only read, and only when it matters: suspicion is free and permits nothing") {
  Case it;
  it.silence(milliseconds(2501));
  CHECK(it.reads());
  CHECK_FALSE(it.put());
  CHECK_FALSE(it.off());
  SECTION("its twin that owns nothing is not even read") {
    World world;
    Coordinator n1{world};
    n1.round().refresh().wait(milliseconds(2501)).round();
    CHECK_FALSE(n1.plans("read/n2"));
  }
  SECTION("nor one that has released what it owned") {
    it.world.view.owners.at(web).value.released = true;
    it.n1.refresh().round();
    CHECK_FALSE(it.reads());
    CHECK_FALSE(it.n1.memory.power.contains("n2"));
  }
  SECTION("nor one that owned it in an older boot") {
    it.world.join("n2", 2, 2);
    it.n1.refresh().wait(seconds(3)).round().refresh().wait(seconds(3)).round();
    CHECK_FALSE(it.reads());
  }
}

TEST_CASE("a living node is never fenced, whatever its BMC reads") {
  Case it;
  it.n1.read("n2", PowerState::Off).round().wait(seconds(2)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
}

TEST_CASE("the power of a suspect is read again and again, an interval apart") {
  Case it;
  it.silence(seconds(3));
  REQUIRE(it.reads());
  it.n1.round();
  CHECK_FALSE(it.reads());  // under way
  it.n1.read("n2", PowerState::On).round();
  CHECK_FALSE(it.reads());  // just read
  it.n1.wait(milliseconds(249)).round();
  CHECK_FALSE(it.reads());
  it.n1.wait(milliseconds(1)).round();
  CHECK(it.reads());
}

TEST_CASE("a suspect is not switched off before two reads of off a second apart (rule 9)") {
  Case it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(milliseconds(999)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(milliseconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.put());
  CHECK(it.put()->record.victim == it.world.life("n2"));
  CHECK(it.put()->record.phase == FencePhase::Acting);
  CHECK_FALSE(it.put()->replaces);
  CHECK(it.put()->node_version == 10);
  CHECK_FALSE(it.off());  // the record first: intent before act
  it.fence_is_seen();
  it.n1.round();
  CHECK(it.off());
}

TEST_CASE("any other answer between the two reads of off begins the row again (rule 9)") {
  for (const PowerState other : {PowerState::On, PowerState::Unknown}) {
    Case it;
    it.silence(seconds(3));
    it.n1.read("n2", PowerState::Off).round();
    it.n1.wait(milliseconds(500)).read("n2", other).round();
    it.n1.wait(milliseconds(600)).read("n2", PowerState::Off).round();
    CHECK_FALSE(it.put());
    it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
    CHECK(it.put());
  }
}

TEST_CASE("a sign of life between the two reads of off throws the first away (rule 9)") {
  Case it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  it.world.beat("n2");
  it.n1.wait(milliseconds(100)).round();
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK(it.put());
}

TEST_CASE("a read asked before a sign of life and answered after it proves nothing (rules 8 and 9)") {
  Case it;
  it.silence(seconds(3));
  const Instant asked_at = it.n1.now;
  it.world.beat("n2");
  it.silence(milliseconds(100));
  it.silence(seconds(3));  // suspect again: a new history
  it.n1.answers.push_back(PowerRead{"n2", {PowerState::Off, "uuid-n2", ""}, asked_at});
  it.n1.done("read/n2").round();
  it.n1.wait(milliseconds(500)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK(it.put());
}

TEST_CASE("answers about a node that nobody judges any more are ignored") {
  Case it;
  it.n1.read("n3", PowerState::Off).off_answer("n3", Outcome::Done).round();
  CHECK(it.n1.memory.power.empty());
}

// ------------------------------------------------------------------------------------------------------------- lost nodes

TEST_CASE("a lost node with VMs of this boot is fenced: intent, then acting once its BMC answers, then off") {
  Case it;
  it.world.lose("n2");
  it.n1.round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Intent);
  CHECK(it.put()->record.epoch == 7);
  CHECK(it.put()->record.by == "n1");
  CHECK_FALSE(it.off());
  it.fence_is_seen();
  it.n1.round();
  CHECK(it.reads());
  CHECK_FALSE(it.put());
  it.n1.read("n2", PowerState::On).round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Acting);
  CHECK(it.put()->replaces == 60);
  CHECK_FALSE(it.off());
  it.fence_is_seen();
  it.n1.round();
  REQUIRE(it.off());
  CHECK(it.off()->victim == it.world.life("n2"));
  CHECK(it.off()->system_uuid == "uuid-n2");
}

TEST_CASE("a lost node whose BMC answered while it was suspect is announced at once") {
  Case it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::On).round();
  it.world.lose("n2");
  it.n1.round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Acting);
}

TEST_CASE("a lost node that owns nothing is left in peace") {
  Case it;
  it.world.lose("n3");
  it.n1.round();
  CHECK_FALSE(it.n1.plans("fence/n3"));
}

TEST_CASE("a node lost while starting up is no victim, unless it ran in this boot before (finding F10)") {
  Case it;
  it.world.join("n2", 2, 2).says("n2", DaemonState::Init).lose("n2");  // web1 is of boot 1
  it.n1.round();
  CHECK_FALSE(it.put());
  it.world.own(web, "n2", 2);  // it ran in this boot, then its keepalive started anew
  it.n1.round();
  CHECK(it.put());
}

TEST_CASE("a node that left with VMs is not switched off while it reads on (rule 11)") {
  for (const DaemonState word : {DaemonState::Left, DaemonState::Stop}) {
    Case it;
    it.world.says("n2", word).lose("n2");
    for (int i = 0; i < 5; ++i) {
      it.n1.wait(seconds(1)).read("n2", PowerState::On).round();
      CHECK_FALSE(it.put());
      CHECK_FALSE(it.off());
    }
    // Its twin that lost power later is recovered.
    it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
    it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
    CHECK(it.put());
  }
}

TEST_CASE("that it left is remembered when a claim has removed its live entry (rules 11 and 14)") {
  Case it;
  it.world.says("n2", DaemonState::Left).lose("n2");
  it.n1.round();
  it.world.view.live.erase({"n2", 1});
  it.n1.round();
  CHECK_FALSE(it.put());
  SECTION("the twin that crashed is fenced without it") {
    Case twin;
    twin.world.lose("n2").view.live.erase({"n2", 1});
    twin.n1.round();
    CHECK(twin.put());
  }
}

TEST_CASE("a node that left and lost power is not switched off when it reads on again: its fence is closed (rules 4 and 11)") {
  Case it;
  it.world.says("n2", DaemonState::Left).lose("n2");
  it.n1.round();
  it.n1.read("n2", PowerState::Off).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  it.fence_is_seen();
  SECTION("it still reads off: off is sent") {
    it.n1.round();
    CHECK(it.off());
  }
  SECTION("it reads on: nothing is sent") {
    it.n1.read("n2", PowerState::On).round();
    CHECK_FALSE(it.off());
    CHECK(it.n1.plans("drop-fence/n2"));
  }
  SECTION("its BMC gives no answer: nothing is sent, and it is read again") {
    it.n1.read("n2", PowerState::Unknown).round();
    it.n1.wait(seconds(1)).refresh().round();
    CHECK_FALSE(it.off());
    CHECK_FALSE(it.n1.plans("drop-fence/n2"));
    CHECK(it.reads());
  }
}

// ---------------------------------------------------------------------------------------------------- off, proof and retry

TEST_CASE("power evidence needs our own off and a read of off that was asked later (evidence kind 1)") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  it.n1.round();
  CHECK_FALSE(it.off());  // one at a time
  it.n1.wait(seconds(1)).off_answer("n2", Outcome::Done).round();
  CHECK_FALSE(it.evidence());  // accepted is not off
  it.n1.read("n2", PowerState::Off).round();
  CHECK_FALSE(it.evidence());  // asked in the moment of the off, not after it
  it.n1.wait(milliseconds(300)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK(it.evidence()->record.kind == EvidenceKind::Power);
  CHECK(it.evidence()->record.life == it.world.life("n2"));
  CHECK(it.evidence()->record.observer == "n1");
  CHECK(it.evidence()->record.epoch == 7);
  CHECK_FALSE(it.evidence()->record.facts.empty());
  CHECK(it.evidence()->live_version == 100);
  CHECK_FALSE(it.evidence()->session);
  CHECK(it.evidence()->fence_version == 60);
  CHECK(it.evidence()->fence->phase == FencePhase::Confirmed);
  CHECK(it.evidence()->node_version == 10);
}

TEST_CASE("reads of off from before our off prove nothing, however many (evidence kind 1)") {
  Case it;
  it.silence(seconds(3));
  for (int i = 0; i < 2; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  it.fence_is_seen();
  it.n1.read("n2", PowerState::Off).round();
  REQUIRE(it.off());
  CHECK_FALSE(it.evidence());
  it.n1.wait(seconds(1)).off_answer("n2", Outcome::Done).round();
  CHECK_FALSE(it.evidence());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK(it.evidence()->session);  // its session has not ended: it is removed with the evidence
}

TEST_CASE("evidence about a node without a live entry commits without one") {
  Acting it;
  it.world.view.live.erase({"n2", 1});
  it.n1.round().off_answer("n2", Outcome::Done).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK_FALSE(it.evidence()->live_version);
}

TEST_CASE("evidence is committed on the live version from before the first read: a sign of life in between makes it fail (rule 13)") {
  Case it;
  it.silence(seconds(3));
  for (int i = 0; i < 2; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  it.fence_is_seen();
  it.n1.round().wait(seconds(1)).off_answer("n2", Outcome::Done).round();
  ++it.world.live("n2").version;  // seen late, counter not yet
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK(it.evidence()->live_version == 100);
}

TEST_CASE("a fence that is confirmed is not begun again while its evidence is not seen yet") {
  Case it;
  it.world.lose("n2").fence("n2", FencePhase::Confirmed);
  it.n1.round();
  CHECK_FALSE(it.put());
  CHECK_FALSE(it.reads());
}

TEST_CASE("a node with evidence is neither read nor fenced any more") {
  Acting it;
  it.world.prove("n2");
  it.n1.refresh().round();
  CHECK_FALSE(it.off());
  CHECK_FALSE(it.n1.memory.power.contains("n2"));
}

TEST_CASE("a refused or unanswered off is retried for ever with back-off, and the fence says why (finding F14)") {
  Acting it;
  it.n1.round();
  Microseconds expected = seconds(1);
  for (std::uint64_t attempt = 1; attempt < 10; ++attempt) {
    REQUIRE(it.off());
    it.n1.off_answer("n2", attempt % 2 ? Outcome::Refused : Outcome::Unknown, "no " + std::to_string(attempt)).round();
    CHECK_FALSE(it.off());
    REQUIRE(it.put());
    CHECK(it.put()->record.note == "no " + std::to_string(attempt));
    CHECK(it.put()->record.attempt == attempt);
    CHECK(it.put()->record.phase == FencePhase::Acting);
    it.fence_is_seen();
    it.n1.wait(expected - 1).round();
    CHECK_FALSE(it.put());
    CHECK_FALSE(it.off());
    it.n1.wait(1).round();
    expected = std::min(expected * 2, seconds(60));
  }
}

TEST_CASE("an off that was accepted but not seen in time is sent again, and the old one proves nothing") {
  Acting it;
  it.n1.round().off_answer("n2", Outcome::Done).round();
  it.n1.wait(seconds(30)).read("n2", PowerState::On).round();
  CHECK(it.n1.memory.power.at("n2").off_accepted);
  it.n1.wait(1).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.evidence());
  CHECK_FALSE(it.off());
  it.n1.wait(seconds(1)).round();
  CHECK(it.off());
}

TEST_CASE("an intent whose BMC gives no answer says so and reads on") {
  Case it;
  it.world.lose("n2");
  it.n1.round();
  it.fence_is_seen();
  it.n1.round().read("n2", PowerState::Unknown, "timeout").round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Intent);
  CHECK(it.put()->record.note == "the BMC gives no answer: timeout");
  it.fence_is_seen();
  it.n1.wait(seconds(1)).round();
  CHECK(it.reads());
  CHECK_FALSE(it.put());
  CHECK_FALSE(it.off());
}

TEST_CASE("another primary carries on a fence that it finds acting, whoever began it (finding F13)") {
  World world;
  world.own(web, "n2");
  world.lose("n2").fence("n2", FencePhase::Acting).by = "n3";
  Coordinator n1{world};
  n1.round();
  CHECK(n1.plans("off/n2"));
}

TEST_CASE("a fence about an older incarnation is replaced, not carried on") {
  Case it;
  it.world.fence("n2", FencePhase::Acting).victim.incarnation = 0;
  it.world.lose("n2");
  it.n1.round();
  CHECK_FALSE(it.off());
  REQUIRE(it.put());
  CHECK(it.put()->replaces == 60);
  CHECK(it.put()->record.victim.incarnation == 1);
  CHECK(it.put()->record.phase == FencePhase::Intent);
}

TEST_CASE("a fence ends when its reason ends: the victim that proves itself alive is not switched off (rule 4)") {
  Case it;
  it.silence(seconds(3));
  for (int i = 0; i < 2; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  it.fence_is_seen();
  SECTION("the twin that stays silent") {
    it.n1.round();
    CHECK(it.off());
  }
  SECTION("it beats") {
    it.world.beat("n2");
    it.n1.round();
    CHECK_FALSE(it.off());
    CHECK(it.n1.plans("drop-fence/n2"));
  }
  SECTION("its heartbeat flaps: what was read before counts no more") {
    it.world.beat("n2");
    it.n1.round().refresh();
    it.silence(seconds(3));
    CHECK_FALSE(it.off());
    CHECK(it.reads());
  }
}

TEST_CASE("a history is about one life: a new incarnation begins it again") {
  Case it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  it.world.join("n2", 1, 2).lose("n2");
  it.world.view.live.erase({"n2", 2});
  it.n1.round();
  CHECK(it.n1.memory.power.at("n2").victim.incarnation == 2);
  CHECK_FALSE(it.n1.memory.power.at("n2").first_off);
}

// ------------------------------------------------------------------------------------------------------ brake and permission

TEST_CASE("the storm brake holds within one round and over rounds; the others have their turn later") {
  World world;
  Coordinator n1{world};
  n1.settings.fences_at_once = 2;
  for (int i = 4; i <= 7; ++i) {
    const NodeName name = "n" + std::to_string(i);
    world.join(name).own("aaaaaaaa-0000-0000-0000-00000000000" + std::to_string(i), name);
    world.lose(name);
  }
  n1.round();
  CHECK(n1.all<PutFence>().size() == 2);
  CHECK(n1.plans("fence/n4"));
  CHECK(n1.plans("fence/n5"));
  n1.round();
  CHECK(n1.all<PutFence>().empty());  // under way
  for (const NodeName name : {"n4", "n5"}) world.fence(name, FencePhase::Intent);
  n1.refresh().round();
  CHECK(n1.all<PutFence>().empty());  // open
  world.fence("n4", FencePhase::Confirmed);
  world.prove("n5", EvidenceKind::Operator);  // its fence is open, but it needs no more turn
  n1.refresh().round();
  CHECK(n1.all<PutFence>().size() == 2);
}

TEST_CASE("only the primary looks after others; the primary is looked after by any coordinator, which sends off only to what reads off (rule 9)") {
  World world;
  world.own(web, "n1");
  Coordinator n2{world, "n2"};
  n2.round();
  SECTION("a suspect primary") { n2.wait(seconds(3)); }
  SECTION("a lost primary") {
    world.lose("n1");
    n2.wait(seconds(3));
  }
  n2.round();
  CHECK(n2.plans("read/n1"));
  CHECK(n2.all<PutFence>().empty());
  n2.read("n1", PowerState::On).round();
  CHECK(n2.all<PutFence>().empty());
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  CHECK(n2.all<PutFence>().empty());
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  REQUIRE(n2.plans("fence/n1"));
  world.view.fences["n1"] = {n2.with_key<PutFence>("fence/n1")->record, 60};
  n2.done("fence/n1").round();
  REQUIRE(n2.plans("off/n1"));
  n2.off_answer("n1", Outcome::Done).round();
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  CHECK(n2.plans("evidence/boot-n1-1"));
}

TEST_CASE("a coordinator that finds another one's fence of the silent primary reads off twice itself before it sends (rule 9)") {
  World world;
  world.own(web, "n1");
  Coordinator n3{world, "n3"};
  n3.round().wait(seconds(3));
  world.fence("n1", FencePhase::Acting).by = "n2";
  n3.round();
  CHECK_FALSE(n3.plans("off/n1"));
  CHECK(n3.plans("read/n1"));
  n3.read("n1", PowerState::Off).round().wait(seconds(1)).read("n1", PowerState::Off).round();
  CHECK(n3.plans("off/n1"));
}

TEST_CASE("who is not primary judges nobody but the primary, and a client nobody at all") {
  World world;
  world.own(web, "n2");
  world.own(mail, "n1");
  world.lose("n2");
  Coordinator n3{world, "n3"};
  n3.round().wait(seconds(3)).round();
  CHECK_FALSE(n3.plans("fence/n2"));
  CHECK_FALSE(n3.plans("read/n2"));
  CHECK(n3.plans("read/n1"));
  Coordinator client{world, "n3"};
  client.settings.coordinators = {"n1", "n2"};
  client.round().wait(seconds(3)).round();
  CHECK(client.actions.empty());
}

TEST_CASE("a node without proof of its session, declared dead, or with half a view does nothing (S5)") {
  Case it;
  it.world.lose("n2");
  SECTION("no proof") { it.n1.may_act = false; }
  SECTION("half a view") { it.world.view.complete = false; }
  SECTION("declared dead") {
    it.world.prove("n1");
    it.world.live("n1").session = true;  // not seen yet
  }
  SECTION("the twin acts") {
    it.n1.round();
    CHECK_FALSE(it.n1.actions.empty());
    return;
  }
  it.n1.round();
  CHECK(it.n1.actions.empty());
}

// ------------------------------------------------------------------------------------------------------------- maintenance

TEST_CASE("in maintenance nobody is fenced; afterwards the lost node is (finding F25)") {
  Case it;
  it.world.maintenance().lose("n2");
  for (int i = 0; i < 3; ++i) {
    it.n1.wait(seconds(2)).read("n2", PowerState::Off).round();
    CHECK_FALSE(it.put());
    CHECK_FALSE(it.off());
  }
  it.world.maintenance(false);
  it.n1.round();
  CHECK(it.put());
}

TEST_CASE("in maintenance a suspect that reads off is not fenced either") {
  Case it;
  it.world.maintenance();
  it.silence(seconds(3));
  for (int i = 0; i < 3; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
}

TEST_CASE("maintenance stops a fence that is open: nothing more is sent, and what was sent already still becomes evidence") {
  Acting it;
  SECTION("before off") {
    it.world.maintenance();
    it.n1.round();
    CHECK_FALSE(it.off());
    CHECK(it.n1.plans("drop-fence/n2"));
  }
  SECTION("after off") {
    it.n1.round().off_answer("n2", Outcome::Done).round();
    it.world.maintenance();
    it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
    CHECK(it.evidence());
  }
}

TEST_CASE("in maintenance a node is fenced on request: jobs of people go on") {
  Case it;
  it.world.maintenance().job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.world.fence("n2", FencePhase::Acting);
  it.n1.round();
  CHECK(it.off());
}

// -------------------------------------------------------------------------------------------------------------- on request

TEST_CASE("a fence on request switches a living node off, although it beats all the while") {
  World world;
  Coordinator n1{world};
  world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  world.fence("n2", FencePhase::Intent);
  n1.round();
  REQUIRE(n1.plans("read/n2"));
  const Instant asked_at = n1.now;
  world.beat("n2");
  n1.wait(seconds(1)).round();
  world.beat("n2");
  n1.wait(seconds(1));
  n1.answers.push_back(PowerRead{"n2", {PowerState::On, "uuid-n2", ""}, asked_at});  // a slow BMC
  n1.done("read/n2").round();
  // The beat of this round has thrown the history away; the next answer finds none.
  n1.answers.push_back(PowerRead{"n2", {PowerState::On, "uuid-n2", ""}, n1.now});
  n1.done("read/n2").round();
  REQUIRE(n1.plans("fence/n2"));
  world.view.fences["n2"] = {n1.with_key<PutFence>("fence/n2")->record, 61};
  n1.done("fence/n2").round();
  CHECK(n1.plans("off/n2"));
  CHECK_FALSE(n1.plans("drop-fence/n2"));
}

TEST_CASE("a fence is asked for only by a running job about this boot of this node") {
  World world;
  JobRecord& job = world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  const auto asked = [&] { return is_asked_off(world.view, world.node("n2")); };
  CHECK(asked());
  SECTION("queued") { job.state = JobState::Queued; }
  SECTION("finished") { job.state = JobState::Finished; }
  SECTION("another node") { job.object = "n3"; }
  SECTION("another job") { job.type = "node-verify-fence"; }
  SECTION("another boot") { job.arguments["boot_id"] = "boot-n2-0"; }
  SECTION("no boot") { job.arguments.clear(); }
  CHECK_FALSE(asked());
}

// -------------------------------------------------------------------------------------------------------------- later boots

TEST_CASE("a later boot is evidence about the one that owns VMs (evidence kind 2)") {
  Case it;
  it.world.lose("n2").join("n2", 2, 2);
  it.world.own(mail, "n3");
  it.n1.round();
  REQUIRE(it.evidence());
  CHECK(it.n1.all<CommitEvidence>().size() == 1);
  CHECK(it.evidence()->record.kind == EvidenceKind::LaterBoot);
  CHECK(it.evidence()->record.life == Life{"n2", "boot-n2-1", 1});
  CHECK(it.evidence()->live_version == 100);
  CHECK_FALSE(it.evidence()->session);
  CHECK(it.evidence()->node_version == 20);
  CHECK_FALSE(it.evidence()->fence);
  CHECK_FALSE(it.put());
}

TEST_CASE("a later incarnation of the same boot is evidence of nothing") {
  Case it;
  it.world.lose("n2").join("n2", 1, 2);
  it.n1.round();
  CHECK(it.n1.all<CommitEvidence>().empty());
}

TEST_CASE("a later boot is noted once, by the primary, and only for what is still owned") {
  Case it;
  it.world.lose("n2").join("n2", 2, 2);
  it.world.view.live.erase({"n2", 1});
  SECTION("the twin without a live entry of the old life") {
    it.n1.round();
    REQUIRE(it.evidence());
    CHECK_FALSE(it.evidence()->live_version);
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("there is evidence already") {
    it.world.view.evidence["boot-n2-1"] = {EvidenceRecord{}, 1};
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("released") {
    it.world.view.owners.at(web).value.released = true;
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("the node's record is gone") {
    it.world.view.nodes.erase("n2");
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("another coordinator") {
    Coordinator n3{it.world, "n3"};
    n3.round();
    CHECK(n3.all<CommitEvidence>().empty());
  }
}

// ---------------------------------------------------------------------------------------------------------------- readiness

TEST_CASE("the BMC of each living node is asked before the day it is needed, and at an interval") {
  World world;
  Coordinator n1{world};
  world.lose("n3");
  n1.round();
  CHECK(n1.plans("ready/n1"));
  CHECK(n1.plans("ready/n2"));
  CHECK_FALSE(n1.plans("ready/n3"));
  n1.read("n2", PowerState::On).round();
  const auto* put = n1.with_key<PutReadiness>("readiness/n2");
  REQUIRE(put);
  CHECK(put->record == ReadinessRecord{"boot-n2-1", true, ""});
  CHECK_FALSE(put->replaces);
  world.view.readiness["n2"] = {put->record, 5};
  n1.refresh().wait(seconds(59));
  world.beat_all_but("");
  n1.round();
  CHECK_FALSE(n1.plans("ready/n2"));
  n1.refresh().wait(seconds(1)).round();
  CHECK(n1.plans("ready/n2"));
  n1.read("n2", PowerState::On).round();
  CHECK_FALSE(n1.plans("readiness/n2"));  // nothing new
}

TEST_CASE("a node that could not be fenced is asked again soon, and so is one in a new boot") {
  World world;
  Coordinator n1{world};
  world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", false, "no answer"}, 5};
  world.view.readiness["n3"] = {ReadinessRecord{"boot-n3-0", true, ""}, 5};
  n1.round().refresh().wait(milliseconds(999)).round();
  CHECK_FALSE(n1.plans("ready/n2"));
  n1.refresh().wait(milliseconds(1)).round();
  CHECK(n1.plans("ready/n2"));
  CHECK(n1.plans("ready/n3"));
}

TEST_CASE("readiness tells a wrong BMC from a silent one; only a read of on by a living node is ready") {
  World world;
  Coordinator n1{world};
  world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", true, ""}, 5};
  n1.round();
  SECTION("off while it lives: it is another machine's") {
    n1.read("n2", PowerState::Off).round();
    REQUIRE(n1.plans("readiness/n2"));
    CHECK_FALSE(n1.with_key<PutReadiness>("readiness/n2")->record.fence_ready);
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->record.note.find("wrong BMC") != std::string::npos);
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->replaces == 5);
  }
  SECTION("no answer") {
    n1.read("n2", PowerState::Unknown, "timeout").round();
    REQUIRE(n1.plans("readiness/n2"));
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->record.note == "fencing it would fail: timeout");
  }
  SECTION("a read about a node that is lost says nothing about readiness") {
    world.lose("n2");
    n1.read("n2", PowerState::Off).round();
    CHECK_FALSE(n1.plans("readiness/n2"));
  }
  SECTION("nor about one that does not exist") {
    n1.read("n9", PowerState::On).round();
    CHECK_FALSE(n1.plans("readiness/n9"));
  }
}
