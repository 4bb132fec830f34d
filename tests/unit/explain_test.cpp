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
