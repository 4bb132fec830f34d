// From silence to evidence: what may be read, what may be sent, and what counts as proof.

#include "fencing_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

// ---------------------------------------------------------------------------------------------------------------
// suspects

TEST_CASE("a suspect is only read, and only when it matters: suspicion is free and permits nothing") {
  FencingCase it;
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
  FencingCase it;
  it.n1.read("n2", PowerState::Off).round().wait(seconds(2)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
}

TEST_CASE("the power of a suspect is read again and again, an interval apart") {
  FencingCase it;
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

TEST_CASE("a host that has left is read only now and then once it has read on for long") {
  FencingCase it;
  it.world.says("n2", DaemonState::Left);
  it.n1.round();
  it.world.lose("n2");
  const auto interval = [&] {
    Microseconds waited = 0;
    for (it.n1.read("n2", PowerState::On).round(); !it.reads(); it.n1.round()) {
      it.n1.wait(milliseconds(250));
      it.world.beat_all_but("n2");
      waited += milliseconds(250);
    }
    return waited;
  };
  it.silence(seconds(3));
  REQUIRE(it.reads());
  CHECK(interval() == milliseconds(250));
  it.n1.wait(seconds(61));
  CHECK(interval() == seconds(5));
  CHECK(interval() == seconds(5));
  it.n1.read("n2", PowerState::Off).round().wait(milliseconds(250)).round();
  CHECK(it.reads());  // something has happened
}

TEST_CASE("a BMC that gives no answer is read less often, at least every two seconds; one that answers as before") {
  FencingCase it;
  it.silence(seconds(3));
  Microseconds expected = milliseconds(250);
  for (int i = 0; i < 6; ++i) {
    REQUIRE(it.reads());
    it.n1.wait(seconds(5));  // the time that it took to find out
    it.world.beat_all_but("n2");
    it.n1.read("n2", PowerState::Unknown, "timeout").round();
    CHECK_FALSE(it.reads());
    it.n1.wait(expected - 1).round();
    CHECK_FALSE(it.reads());
    it.n1.wait(1).round();
    expected = std::min(expected * 2, seconds(2));
  }
  REQUIRE(it.reads());
  it.n1.read("n2", PowerState::On).round().wait(milliseconds(250)).round();
  CHECK(it.reads());
}

TEST_CASE("a suspect is not switched off before two reads of off a second apart (rule 9)") {
  FencingCase it;
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
    FencingCase it;
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
  FencingCase it;
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
  FencingCase it;
  it.silence(seconds(3));
  const Instant asked_at = it.n1.now;
  it.world.beat("n2");
  it.silence(milliseconds(100));
  it.silence(seconds(3));  // suspect again: a new history
  it.n1.answers.push_back(PowerRead{"n2", "boot-n2-1", {PowerState::Off, "uuid-n2", ""}, asked_at});
  it.n1.done("read/n2").round();
  it.n1.wait(milliseconds(500)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK(it.put());
}

TEST_CASE("a read that was asked about another boot proves nothing about this one (rule 16)") {
  FencingCase it;
  it.silence(seconds(3)).n1.read_of_boot("boot-n2-0", "n2", PowerState::Off).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
}

TEST_CASE("an off that was accepted before a sign of life is no part of the proof (rule 9)") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  const Instant accepted_at = it.n1.now;
  it.world.beat("n2");
  it.n1.wait(seconds(1)).round();
  it.n1.answers.push_back(PowerActed{it.world.life("n2"), {Outcome::Done, ""}, accepted_at, accepted_at});
  it.n1.done("off/n2").round();
  CHECK(it.off());  // sent again
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.evidence());
}

TEST_CASE("answers about a node that nobody judges any more are ignored") {
  FencingCase it;
  it.n1.read("n3", PowerState::Off).off_answer("n3", Outcome::Done).round();
  CHECK(it.n1.memory.power.empty());
}

// ------------------------------------------------------------------------------------------------------------- lost
// nodes

TEST_CASE("a lost node with VMs of this boot is fenced: intent, then acting once its BMC answers, then off") {
  FencingCase it;
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
  FencingCase it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::On).round();
  it.world.lose("n2");
  it.n1.round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Acting);
}

TEST_CASE("a lost node that owns nothing is left in peace") {
  FencingCase it;
  it.world.lose("n3");
  it.n1.round();
  CHECK_FALSE(it.n1.plans("fence/n3"));
}

TEST_CASE("a node lost while starting up is no victim, unless it ran in this boot before (finding F10)") {
  FencingCase it;
  it.world.join("n2", 2, 2).says("n2", DaemonState::Init).lose("n2");  // web1 is of boot 1
  it.n1.round();
  CHECK_FALSE(it.put());
  it.world.own(web, "n2", 2);  // it ran in this boot, then its keepalive started anew
  it.n1.round();
  CHECK(it.put());
}

TEST_CASE("a node that left with VMs is not switched off while it reads on (rule 11)") {
  for (const DaemonState word : {DaemonState::Left, DaemonState::Stop}) {
    FencingCase it;
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

TEST_CASE("that it left is remembered when its live entry has been removed (rule 11)") {
  FencingCase it;
  it.world.says("n2", DaemonState::Left).lose("n2");
  it.n1.round();
  it.world.view.live.erase({"n2", 1});
  it.n1.round();
  CHECK_FALSE(it.put());
  SECTION("the twin that crashed is fenced without it") {
    FencingCase twin;
    twin.world.lose("n2").view.live.erase({"n2", 1});
    twin.n1.round();
    CHECK(twin.put());
  }
}

TEST_CASE(
    "a node that left and lost power is not switched off when it reads on again: its fence is closed (rules 4 and "
    "11)") {
  FencingCase it;
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

// ---------------------------------------------------------------------------------------------------- off, proof and
// retry

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
  FencingCase it;
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

TEST_CASE(
    "a live entry that could not be read when the reads began begins them again: its version belongs to the proof") {
  FencingCase it;
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.world.fence("n2", FencePhase::Intent);
  const Live entry = it.world.live("n2");
  it.world.view.live.erase({"n2", 1});
  it.world.view.broken["/live/n2.1"] = "no JSON";
  it.n1.round();
  it.world.fence("n2", FencePhase::Acting);
  it.n1.round();
  REQUIRE(it.off());
  it.n1.wait(seconds(1)).off_answer("n2", Outcome::Done).round();
  it.world.view.live[{"n2", 1}] = entry;
  it.world.view.broken.clear();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.evidence());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.off());
  it.n1.wait(seconds(1)).off_answer("n2", Outcome::Done).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK(it.evidence()->live_version == entry.version);
}

TEST_CASE("evidence about a node without a live entry commits without one") {
  Acting it;
  it.world.view.live.erase({"n2", 1});
  it.n1.round().off_answer("n2", Outcome::Done).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK_FALSE(it.evidence()->live_version);
}

TEST_CASE(
    "evidence is committed on the live version from before the first read: a sign of life in between makes it fail "
    "(rule 13)") {
  FencingCase it;
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
  FencingCase it;
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
    it.world.beat_all_but("n2");
    it.n1.wait(expected - 1).round();
    CHECK_FALSE(it.put());
    CHECK_FALSE(it.off());
    it.world.beat_all_but("n2");
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

TEST_CASE(
    "an off that is accepted after its attempt was given up is ours all the same: off that is read later proves it") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  const Instant asked_at = it.n1.now;
  it.silence(seconds(31));
  REQUIRE_FALSE(it.n1.memory.power.at("n2").attempt_began);
  it.n1.answers.push_back(PowerActed{it.world.life("n2"), {Outcome::Done, ""}, asked_at, it.n1.now});
  it.n1.done("off/n2").round();
  CHECK_FALSE(it.evidence());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK(it.evidence());
}

TEST_CASE("a host that may be booting after an off that nobody saw is given the time to join (simulator, seed 17332)") {
  FencingCase it;
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.world.fence("n2", FencePhase::Acting);
  const bool store_was_gone = GENERATE(false, true);
  CAPTURE(store_was_gone);
  if (store_was_gone) {  // nothing could be read for the whole attempt
    it.world.fence("n2", FencePhase::Intent);
    it.n1.round();
    it.world.fence("n2", FencePhase::Acting);
    it.n1.round();
    REQUIRE(it.off());
    it.n1.off_answer("n2", Outcome::Done).round().wait(seconds(31)).round();
    it.n1.wait(seconds(1)).read("n2", PowerState::On).round();
  } else {  // the fence of its former life
    it.n1.round().read("n2", PowerState::On).round();
  }
  CHECK_FALSE(it.off());
  const Microseconds almost = it.n1.settings.return_wait - seconds(1);
  it.n1.wait(almost - 1).round();
  CHECK_FALSE(it.off());
  SECTION("its twin reads off: it is not booting") {
    it.n1.read("n2", PowerState::Off).round();
    CHECK(it.off());
  }
  SECTION("it reads on and does not join") {
    it.n1.wait(seconds(1) + 1).round();
    CHECK(it.off());
  }
}

TEST_CASE("two reads of off with a long time between them, when nobody looked, are one") {
  FencingCase it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  it.n1.wait(seconds(11)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK(it.put());
}

TEST_CASE("what is proven is written for as long as it takes, and nothing is sent again") {
  Acting it;
  it.n1.round().off_answer("n2", Outcome::Done).round();
  it.n1.wait(1).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  it.n1.wait(seconds(60)).done("evidence/boot-n2-1", Outcome::Refused).round();
  CHECK(it.evidence());
  CHECK_FALSE(it.off());
  SECTION("it reads off long after the attempt") {  // for a person who asks whether it can be fenced
    it.n1.done("evidence/boot-n2-1", Outcome::Unknown).read("n2", PowerState::Off).round();
    CHECK(it.evidence());
    CHECK_FALSE(it.off());
  }
  // Somebody has switched it on again: that boot is another one, which an off would meet (simulator, seed 17332).
  it.n1.done("evidence/boot-n2-1", Outcome::Unknown).read("n2", PowerState::On).round();
  CHECK(it.evidence());
  CHECK_FALSE(it.off());
}

TEST_CASE("a suspect is not switched off on the strength of old reads: it may have been switched on since") {
  FencingCase it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  REQUIRE(it.put());
  it.fence_is_seen();
  SECTION("the store took its time") {
    it.n1.wait(seconds(3)).round();
    CHECK_FALSE(it.off());
    it.n1.read("n2", PowerState::Off).round();
    CHECK(it.off());
  }
  SECTION("at once") {
    it.n1.round();
    CHECK(it.off());
  }
}

TEST_CASE("an intent whose BMC gives no answer says so and reads on") {
  FencingCase it;
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

TEST_CASE("a fence about an older incarnation is replaced, not carried on") {
  FencingCase it;
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
  FencingCase it;
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
  FencingCase it;
  it.silence(seconds(3));
  it.n1.read("n2", PowerState::Off).round();
  it.world.join("n2", 1, 2).lose("n2");
  it.n1.round();
  CHECK(it.n1.memory.power.at("n2").victim.incarnation == 2);
  CHECK_FALSE(it.n1.memory.power.at("n2").first_off);
}
