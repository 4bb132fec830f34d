// Requests of people about nodes, and what becomes of finished and unanswerable jobs.

#include "job_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

// ------------------------------------------------------------------------------------------------------------- confirm
// off

TEST_CASE("a confirmation names the boot and becomes evidence once the job is on record (rule 13)") {
  JobCase it;
  it.world.lose("n2").job(1, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}});
  it.take_up();
  CHECK_FALSE(it.n1.plans("evidence/boot-n2-1"));
  CHECK_FALSE(it.step());
  const auto* commit = it.n1.with_key<CommitEvidence>("evidence/boot-n2-1");
  REQUIRE(commit);
  CHECK(commit->record.kind == EvidenceKind::Operator);
  CHECK(commit->record.life == it.world.life("n2"));
  CHECK(commit->record.facts == std::vector<std::string>{"uid 1000 confirmed on n2 that boot boot-n2-1 of n2 is off"});
  CHECK(commit->live_version == 100);
  CHECK_FALSE(commit->session);
  CHECK(commit->node_version == 10);
  it.world.prove("n2", EvidenceKind::Operator);
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a confirmation about a node without a live entry commits without one") {
  JobCase it;
  it.world.view.live.erase({"n2", 1});
  it.world.job(1, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.step();
  REQUIRE(it.n1.with_key<CommitEvidence>("evidence/boot-n2-1"));
  CHECK_FALSE(it.n1.with_key<CommitEvidence>("evidence/boot-n2-1")->live_version);
}

TEST_CASE(
    "a confirmation is refused for another boot or while that boot has liveness, also when that came under way (rule "
    "13)") {
  JobCase it;
  it.world.lose("n2");
  JobRecord& job = it.world.job(1, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}},
                                GENERATE(JobState::Queued, JobState::Running));
  SECTION("no boot") { job.arguments.clear(); }
  SECTION("an older boot") { job.arguments["boot_id"] = "boot-n2-0"; }
  SECTION("it has rejoined") { it.world.live("n2").session = true; }
  CHECK(it.result() == JobResult::Refused);
  CHECK_FALSE(it.n1.plans("evidence/boot-n2-1"));
}

TEST_CASE("in maintenance a confirmation goes on: it is what a person says, not what we do") {
  JobCase it;
  it.world.maintenance().lose("n2").job(1, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.step();
  CHECK(it.n1.plans("evidence/boot-n2-1"));
}

// ------------------------------------------------------------------------------------------------------- fence and
// verify

TEST_CASE("a fence on request is a record first, is carried on, and is done with the evidence") {
  JobCase it;
  it.world.fence("n2", FencePhase::Confirmed).victim.boot = "boot-n2-0";  // an older one that is settled
  it.world.own(web, "n3").owner.boot = "boot-n2-0";
  it.world.job(1, "node-fence", "n2");
  CHECK(it.take_up().arguments.at("boot_id") == "boot-n2-1");
  CHECK_FALSE(it.n1.plans("fence/n2"));
  CHECK_FALSE(it.step());
  const auto* put = it.n1.with_key<PutFence>("fence/n2");
  REQUIRE(put);
  CHECK(put->record.victim == it.world.life("n2"));
  CHECK(put->record.phase == FencePhase::Intent);
  CHECK(put->record.epoch == 7);
  CHECK(put->record.reason == "asked for by uid 1000");
  CHECK(put->replaces == 60);
  CHECK(put->node_version == 10);
  it.world.fence("n2", FencePhase::Acting);
  CHECK_FALSE(it.step());
  CHECK_FALSE(it.n1.plans("fence/n2"));
  it.world.prove("n2");
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a fence on request without an older record creates one") {
  JobCase it;
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.step();
  REQUIRE(it.n1.with_key<PutFence>("fence/n2"));
  CHECK_FALSE(it.n1.with_key<PutFence>("fence/n2")->replaces);
}

TEST_CASE("a node that is off already is not fenced, the primary does not fence itself") {
  JobCase it;
  it.world.prove("n2");
  it.world.job(1, "node-fence", "n2");
  CHECK(it.result() == JobResult::Skipped);
  it.world.job(1, "node-fence", "n1", {}, GENERATE(JobState::Queued, JobState::Running));
  CHECK(it.result() == JobResult::Refused);
}

TEST_CASE("a fence on request of a node that needs none says how its boot is over, and what that does not mean") {
  const auto [kind, words] = GENERATE(table<EvidenceKind, std::string>({
      {EvidenceKind::Power, "n2 is off"},
      {EvidenceKind::Operator, "n2 is off"},
      {EvidenceKind::Storage, "n2 is shut out of its disks; it may still be on"},
      {EvidenceKind::Watchdog, "n2 was cut by its own watchdog; it may be booting"},
  }));
  JobCase it;
  it.world.prove("n2", kind);
  it.world.job(1, "node-fence", "n2");
  CHECK(it.result() == JobResult::Skipped);
  CHECK(it.message == words + " already");
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  CHECK(it.result() == JobResult::Done);
  CHECK(it.message == words);
}

TEST_CASE("every request about a node has an end: after its limit it says what it waited for") {
  const auto [type, fenced, words] = GENERATE(table<std::string, bool, std::string>({
      {"node-fence", true, "not within 60 minutes: waiting for n2: the BMC gives no answer"},
      {"node-fence", false, "not within 60 minutes: waiting for n2"},
      {"node-verify-fence", true, "not within 10 minutes: waiting for n2"},
      {"node-release-images", true, "not within 60 minutes: waiting for n2"},
  }));
  JobCase it;
  it.world.vm(web, WantedState::Stopped);
  it.world.lose("n2").job(1, type, "n2", {{"boot_id", "boot-n2-1"}, {"vm", web}}, JobState::Running);
  if (fenced) it.world.fence("n2", FencePhase::Intent).note = "the BMC gives no answer";
  CHECK(it.result() == JobResult::None);
  it.n1.wait(find_job_type(type)->limit - 1);
  CHECK(it.result() == JobResult::None);
  it.n1.wait(1);
  CHECK(it.result() == JobResult::Timeout);
  CHECK(it.message == words);
}

TEST_CASE("a node that has rebooted since its fence was asked for is not switched off (rule 4)") {
  JobCase it;
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.world.join("n2", 2, 2);
  CHECK(it.result() == JobResult::Done);
  CHECK(it.says("boot boot-n2-1 of n2 is over"));
  CHECK_FALSE(it.n1.plans("fence/n2"));
}

TEST_CASE("a job about a node that does not exist fails") {
  JobCase it;
  it.world.job(1, "node-fence", "n9");
  CHECK(it.result() == JobResult::Failed);
}

TEST_CASE("a verification reads the power after it was taken up and tells what it means") {
  JobCase it;
  it.n1.round();
  it.world.job(1, "node-verify-fence", "n2");
  it.take_up();
  CHECK_FALSE(it.step());
  REQUIRE(it.n1.plans("ready/n2"));
  it.n1.read("n3", PowerState::On);
  CHECK_FALSE(it.step());  // that was another node's
  it.n1.read_of_boot("boot-n2-0", "n2", PowerState::On);
  CHECK_FALSE(it.step());  // and that about another boot
  SECTION("on") {
    it.n1.read("n2", PowerState::On);
    CHECK(it.result() == JobResult::Done);
    CHECK(it.says("reads on"));
  }
  SECTION("no answer") {
    it.n1.read("n2", PowerState::Unknown, "wrong password");
    CHECK(it.result() == JobResult::Failed);
    CHECK(it.says("fencing it would fail: wrong password"));
  }
  SECTION("off while it lives: the wrong BMC (evidence kind 1)") {
    it.n1.read("n2", PowerState::Off);
    CHECK(it.result() == JobResult::Failed);
    CHECK(it.says("wrong BMC"));
  }
  SECTION("off while it lives and is not heard any more: nobody knows which of the two") {
    it.n1.heard["n2"] = {1, it.n1.now};
    it.n1.round().refresh().wait(quiet_after + 1);
    it.n1.read("n2", PowerState::Off);
    CHECK(it.result() == JobResult::Failed);
    CHECK(it.says("it may be dying, or it is the wrong BMC"));
  }
  SECTION("off while it is lost") {
    it.world.lose("n2");
    it.n1.read("n2", PowerState::Off);
    CHECK(it.result() == JobResult::Done);
    CHECK(it.says("reads off"));
  }
}

// ------------------------------------------------------------------------------------------------------------ the role

TEST_CASE("become-primary gives the role up once, and is done when the node has it") {
  JobCase it;
  it.world.job(1, "node-become-primary", "n2");
  CHECK(it.take_up().mark == 7);
  CHECK_FALSE(it.n1.plans("role"));
  CHECK_FALSE(it.step());
  CHECK(it.n1.plans("role"));
  SECTION("it took it") {
    it.world.lead("n2", 8);
    Coordinator n2{it.world, "n2"};
    n2.round();
    REQUIRE(n2.plans("job/1"));
    CHECK(n2.with_key<UpdateJob>("job/1")->record.result == JobResult::Done);
  }
  SECTION("it did not: the next primary does not give the role up again") {
    it.world.lead("n3", 8);
    Coordinator n3{it.world, "n3"};
    n3.round();
    CHECK_FALSE(n3.plans("role"));
    REQUIRE(n3.plans("job/1"));
    CHECK(n3.with_key<UpdateJob>("job/1")->record.result == JobResult::Failed);
  }
}

TEST_CASE("become-primary is refused for a node that could not act, and skipped for the one that is") {
  JobCase it;
  JobRecord& job = it.world.job(1, "node-become-primary", "n2");
  SECTION("no coordinator") { it.n1.settings.coordinators = {"n1", "n3"}; }
  SECTION("lost") { it.world.lose("n2"); }
  SECTION("leaving") { it.world.says("n2", DaemonState::Shutdown); }
  SECTION("the twin that can") {
    CHECK(it.result() == JobResult::None);
    return;
  }
  SECTION("it is") {
    job.object = "n1";
    CHECK(it.result() == JobResult::Skipped);
    return;
  }
  CHECK(it.result() == JobResult::Refused);
  CHECK_FALSE(it.n1.plans("role"));
}

TEST_CASE("step-down gives the role up once, and is done when another has it") {
  JobCase it;
  it.world.job(1, "node-step-down", "n1");
  it.take_up();
  CHECK_FALSE(it.step());
  CHECK(it.n1.plans("role"));
  SECTION("another took it") {
    it.world.lead("n2", 8);
    Coordinator n2{it.world, "n2"};
    n2.round();
    REQUIRE(n2.plans("job/1"));
    CHECK(n2.with_key<UpdateJob>("job/1")->record.result == JobResult::Done);
  }
  SECTION("nobody did") {
    it.world.lead("n1", 8);
    CHECK(it.result() == JobResult::Failed);
  }
}

TEST_CASE("step-down is skipped by who is not primary and refused without a successor") {
  JobCase it;
  JobRecord& job = it.world.job(1, "node-step-down", "n1");
  SECTION("not primary") {
    job.object = "n2";
    CHECK(it.result() == JobResult::Skipped);
  }
  SECTION("no other is alive") {
    it.world.lose("n2").lose("n3");
    CHECK(it.result() == JobResult::Refused);
  }
  SECTION("no other is a coordinator") {
    it.n1.settings.coordinators = {"n1"};
    CHECK(it.result() == JobResult::Refused);
  }
}

// --------------------------------------------------------------------------------------------------------------
// housekeeping

TEST_CASE("a release request is left to its node, and ended only when nobody can answer it any more") {
  JobCase it;
  it.world.vm(web, WantedState::Stopped);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  SECTION("its node lives, or may live") {
    CHECK(it.result() == JobResult::None);
    it.world.lose("n2");
    CHECK(it.result() == JobResult::None);
  }
  SECTION("its node is proven off") {
    it.world.prove("n2");
    CHECK(it.result() == JobResult::Failed);
  }
  SECTION("its node does not exist") {
    it.world.view.nodes.erase("n2");
    CHECK(it.result() == JobResult::Failed);
  }
  SECTION("its VM is gone") {
    it.world.view.vms.clear();
    CHECK(it.result() == JobResult::Failed);
    CHECK(it.message == "the VM is gone");
  }
  SECTION("the node owns the VM by now: it starts it through its own hooks and would never answer") {
    it.world.own(web, "n2", 4);
    CHECK(it.result() == JobResult::Skipped);
  }
  SECTION("another node owns it: that one waits for the answer") {
    it.world.own(web, "n3", 4);
    CHECK(it.result() == JobResult::None);
  }
  SECTION("the node has owned and released it: it still has to answer") {
    it.world.own(web, "n2", 4).released = true;
    CHECK(it.result() == JobResult::None);
  }
}

TEST_CASE("a finished job is shown for a minute from when it was first seen finished, then forgotten") {
  JobCase it;
  it.world.job(1, "vm-start", web, {}, JobState::Finished);
  it.n1.round();
  CHECK(it.changes_nothing());
  it.n1.wait(seconds(60) - 1).round();
  CHECK_FALSE(it.n1.plans("job/1"));
  it.n1.wait(1).round();
  REQUIRE(it.n1.with_key<RemoveJob>("job/1"));
  CHECK(it.n1.with_key<RemoveJob>("job/1")->version == 81);
  it.world.view.jobs.clear();
  it.n1.refresh().round();
  CHECK(it.n1.memory.job_finished.empty());
}

TEST_CASE("jobs are carried out by the primary alone") {
  World world;
  world.vm(web, WantedState::Stopped);
  world.job(1, "vm-start", web);
  Coordinator n2{world, "n2"};
  n2.round();
  for (const CoordinatorAction& action : n2.actions) CHECK(std::holds_alternative<ReadPower>(action.act));
}
