#include "logic/explain.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

const CoordinatorSettings settings;

struct Told {
  World world;
  Instant now = seconds(100);
  Sights sights;

  // As if everything had been looked at `before` ago for the first time.
  Situation at(Microseconds before = milliseconds(300)) {
    sights = look(world.view, {}, now - before);
    return {world.view, sights, now, settings};
  }
  bool vm_says(const std::string& part) { return says(explain_vm(at(), web), part); }
  bool node_says(const NodeName& name, const std::string& part) { return says(explain_node(at(), name), part); }

  static bool says(const std::vector<std::string>& said, const std::string& part) {
    for (const std::string& sentence : said)
      if (sentence.find(part) != std::string::npos) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("a VM that runs is told with its owner and process") {
  Told told;
  told.world.own(web, "n1", 4);
  RunRecord run;
  run.generation = 4;
  run.life = told.world.life("n1");
  run.state = VmState::Running;
  run.process = Process{1234, 99};
  told.world.view.runs[web] = {run, 1};
  CHECK(told.vm_says("is meant to run"));
  CHECK(told.vm_says("n1 owns it at generation 4, assigned at epoch 7"));
  CHECK(told.vm_says("n1 is alive: its heartbeat moved 0.3 s ago"));
  CHECK(told.vm_says("runs there as process 1234"));
  CHECK_FALSE(told.vm_says("rejected"));
}

TEST_CASE("a VM that is on record as running runs, also where the record names no process") {
  Told told;
  told.world.own(web, "n1");
  told.world.run(web).process.reset();
  CHECK(told.vm_says("n1 owns it at generation 1"));
  CHECK_FALSE(told.vm_says("process"));
  CHECK_FALSE(told.vm_says("could take it"));
}

TEST_CASE("what is wanted of a VM is told, with its home") {
  Told told;
  told.world.vm(web).priority = 5;
  CHECK(told.vm_says("vm1 is meant to run (priority 5)."));
  told.world.vm(web).home = "n3";
  CHECK(told.vm_says("vm1 is meant to run (priority 5, home n3)."));
  told.world.vm(web).wanted = WantedState::Stopped;
  CHECK(told.vm_says("vm1 is meant to be stopped."));
  CHECK_FALSE(told.vm_says("could take it"));
}

TEST_CASE("a VM that was released runs nowhere, also while its last run is still on record; then it is placed anew") {
  Told told;
  told.world.own(web, "n2", 4).released = true;
  SECTION("its run is still on record") { told.world.run(web); }
  SECTION("it is not") {}
  CHECK(told.vm_says("n2 released it at generation 4: nothing of it can write from there."));
  CHECK_FALSE(told.vm_says("owns it"));
  CHECK_FALSE(told.vm_says("It runs there"));
  CHECK_FALSE(told.vm_says("It has not been started at this generation yet."));
  CHECK(told.vm_says("n1 could take it."));
}

TEST_CASE("a run of an earlier generation is not told as that of its present owner") {
  Told told;
  told.world.own(web, "n2", 4);
  CHECK(told.vm_says("It has not been started at this generation yet."));
  told.world.run(web).generation = 3;
  told.world.view.runs.at(web).value.reason = "old";
  CHECK(told.vm_says("It has not been started at this generation yet."));
  CHECK_FALSE(told.vm_says("old"));
  CHECK_FALSE(told.vm_says("It runs there"));
}

TEST_CASE("each former writer of a VM is told with what proves that it writes no more") {
  const auto [cover, words] = GENERATE(table<CoverKind, std::string>({
      {CoverKind::Release, "which released it"},
      {CoverKind::Power, "which was proven off by its BMC"},
      {CoverKind::LaterBoot, "whose boot is over: the node runs a later one"},
      {CoverKind::Operator, "which an operator confirmed off"},
      {CoverKind::Storage, "which is shut out of its disks"},
      {CoverKind::Watchdog, "which its own watchdog has cut"},
      {CoverKind::None, "which nothing covers"},
  }));
  Told told;
  told.world.own(web, "n1", 4).former = {Writer{told.world.life("n3"), 2, {}, {}, cover}};
  CHECK(told.vm_says("Before, at generation 2, it belonged to n3, " + words + "."));
}

TEST_CASE("a VM that does not run is told why, and why not anywhere else") {
  Told told;
  told.world.vm(web);
  told.world.live("n2").value.memory_free = 3 * gib;
  told.world.says("n3", DaemonState::Shutdown);
  CHECK(told.vm_says("No node ever owned it"));
  CHECK(told.vm_says("n1 could take it"));
  CHECK(told.vm_says("n2 is rejected: 3.0 GiB free, vm1 needs 4.0 GiB"));
  CHECK(told.vm_says("n3 is rejected: not in state run"));
}

TEST_CASE("where a VM could not be started is told") {
  Told told;
  told.world.own(web, "n1").failed_on = {"n2"};
  CHECK(told.vm_says("It could not be started on n2: any other host is tried first."));
  CHECK(told.vm_says("n2 could take it, but vm1 could not be started there."));
  CHECK(told.vm_says("n3 could take it."));
}

TEST_CASE("a refusal of its node is told") {
  Told told;
  told.world.own(web, "n1");
  RunRecord run;
  run.generation = 1;
  run.life = told.world.life("n1");
  run.state = VmState::Stopped;
  run.reason = "image vms/disk1 is watched by 10.0.0.2";
  told.world.view.runs[web] = {run, 1};
  CHECK(told.vm_says("Its node said last: image vms/disk1 is watched by 10.0.0.2"));
}

TEST_CASE("a lost owner is told with the state of its fence and the evidence") {
  Told told;
  told.world.own(web, "n3").former = {};
  told.world.lose("n3");
  FenceRecord fence;
  fence.victim = told.world.life("n3");
  fence.phase = FencePhase::Acting;
  fence.by = "n1";
  fence.epoch = 7;
  fence.reason = "its session is gone";
  fence.note = "the BMC gives no answer";
  told.world.view.fences["n3"] = {fence, 1};
  CHECK(told.vm_says("n3 is lost"));
  CHECK(told.vm_says("n3 is being switched off by n1 at epoch 7: its session is gone"));
  CHECK(told.vm_says("not confirmed yet (attempt 1): the BMC gives no answer"));
  CHECK_FALSE(told.vm_says("Evidence about"));

  EvidenceRecord evidence;
  evidence.life = fence.victim;
  evidence.observer = "n1";
  evidence.facts = {"the BMC of n3 read off after our off"};
  told.world.view.evidence[evidence.life.boot] = {evidence, 1};
  CHECK(told.vm_says("n3 is dead"));
  CHECK(told.vm_says("the BMC of n3 read off after our off"));
}

TEST_CASE("a fence is told with how far it has come, and with its last failure only until it is confirmed") {
  const auto [phase, words] = GENERATE(table<FencePhase, std::string>({
      {FencePhase::Intent, "Fencing n3 is meant by n1 at epoch 7: its session is gone and it may still write."},
      {FencePhase::Acting, "n3 is being switched off by n1 at epoch 7: its session is gone and it may still write."},
      {FencePhase::Confirmed, "n3 was fenced by n1 at epoch 7: its session is gone and it may still write."},
  }));
  Told told;
  FenceRecord& fence = told.world.lose("n3").fence("n3", phase);
  CHECK(told.node_says("n3", words));
  CHECK_FALSE(told.node_says("n3", "not confirmed yet"));
  fence.attempt = 2;
  fence.note = "the BMC gives no answer";
  CHECK(told.node_says("n3", "The fence is not confirmed yet (attempt 3): the BMC gives no answer.") ==
        (phase != FencePhase::Confirmed));
}

TEST_CASE("a record that cannot be read is named") {
  Told told;
  told.world.vm(web);
  told.world.view.broken["/owners/" + web] = "key 'epoch' is missing";
  CHECK(told.vm_says("/owners/" + web + " cannot be read: key 'epoch' is missing"));
}

TEST_CASE("maintenance and disabled VMs are told") {
  Told told;
  told.world.vm(web);
  told.world.maintenance();
  CHECK(told.vm_says("in maintenance"));
  told.world.vm(web).wanted = WantedState::Disabled;
  CHECK(told.vm_says("disabled"));
  CHECK_FALSE(told.vm_says("could take it"));
}

TEST_CASE("a node is told with its role, its VMs and whether it could be fenced") {
  Told told;
  told.world.own(web, "n1");
  CHECK(told.node_says("n1", "It is the primary, at epoch 7"));
  CHECK(told.node_says("n1", "It owns vm1"));
  CHECK(told.node_says("n2", "It owns no VM"));
  CHECK_FALSE(told.node_says("n2", "It is the primary"));
  CHECK(told.node_says("n2", "Whether it can be fenced is not known yet"));
  ReadinessRecord ready;
  ready.boot = told.world.node("n2").boot;
  ready.note = "the BMC has another GUID";
  told.world.view.readiness["n2"] = {ready, 1};
  CHECK(told.node_says("n2", "It could not be fenced now: the BMC has another GUID"));
  told.world.view.readiness["n2"].value.fence_ready = true;
  CHECK(told.node_says("n2", "It can be fenced"));
  told.world.live("n2").value.units["rbd-locks"] = {"stalled", 0, "no answer for 20 s"};
  CHECK(told.node_says("n2", "Its unit rbd-locks is stalled: no answer for 20 s"));
  told.world.live("n2").value.units["core"] = {"running", seconds(9), ""};
  CHECK_FALSE(told.node_says("n2", "Its unit core"));
  told.world.live("n2").value.units["core"] = {"running", seconds(11), ""};
  CHECK(told.node_says("n2", "Its unit core has not reported for more than 10 s"));
}

TEST_CASE("a node is told only with VMs that it still owns and that are still defined") {
  Told told;
  told.world.own(web, "n1");
  told.world.own(mail, "n1");
  CHECK(told.node_says("n1", "It owns vm1, vm2."));
  SECTION("released") { told.world.view.owners.at(mail).value.released = true; }
  SECTION("undefined") { told.world.view.vms.erase(mail); }
  SECTION("gone to another node") { told.world.own(mail, "n2", 2); }
  CHECK(told.node_says("n1", "It owns vm1."));
}

TEST_CASE("of many VMs of a node the first twenty are named and the others counted") {
  Told told;
  const auto own = [&](int number) {
    const VmUuid uuid = "bbbbbbbb-0000-0000-0000-0000000000" + std::to_string(number);
    told.world.vm(uuid).name = "web" + std::to_string(number);
    told.world.own(uuid, "n1");
  };
  std::string names = "web10";
  own(10);
  for (int number = 11; number < 30; ++number) {
    own(number);
    names += ", web" + std::to_string(number);
  }
  CHECK(told.node_says("n1", "It owns " + names + "."));
  own(30);
  own(31);
  CHECK(told.node_says("n1", "It owns " + names + " and 2 more."));
}

TEST_CASE("a node without a live entry, and a cluster without a primary, are told as what they are") {
  Told told;
  told.world.vacate().view.live.erase({"n1", 1});
  told.world.view.broken["/live/n1.1"] = "no JSON";
  CHECK(told.node_says("n1", "n1: it never joined, or its entry cannot be read."));
  CHECK(told.node_says("n1", "It is in boot boot-n1-1, incarnation 1."));
  CHECK_FALSE(told.node_says("n1", "It is the primary"));
  CHECK_FALSE(told.node_says("n1", "Its unit"));
}

TEST_CASE("silence is told for what it is") {
  Told told;
  CHECK(Told::says(explain_node(told.at(seconds(3)), "n2"),
                   "n2 is suspect: its session exists, but its heartbeat has not moved for 3.0 s"));
}

TEST_CASE("hiccups are told, and flapping is told as what it is") {
  Told told;
  const auto says = [&](const std::string& part) {
    told.sights["n2"].hiccups.push_back(told.now);
    return Told::says(explain_node({told.world.view, told.sights, told.now, settings}, "n2"), part);
  };
  CHECK_FALSE(told.node_says("n2", "heartbeat was away"));
  CHECK(says("Its heartbeat was away once within the last 60 s."));
  CHECK(says("Its heartbeat was away 2 times within the last 60 s."));
  CHECK(says("3 times within the last 60 s: it is flapping, and no VM is placed on it until it is stable."));
}
