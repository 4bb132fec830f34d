#include "logic/placement.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::gib;
using test::mail;
using test::web;
using test::World;

namespace {

struct PlacementCase {
  World world;
  Instant now = seconds(10);
  CoordinatorSettings settings;

  Placement place_web(const NodeName& leaving = {}) {
    const VmRecord vm = world.vm(web);
    const Sights sights = look(world.view, {}, now);
    return place(world.view, vm, promised_memory(world.view), sights, now, settings, leaving);
  }
  // Only n2 is left to choose.
  std::string objection_to_n2(Microseconds later = 0) {
    const VmRecord vm = world.vm(web);
    const Sights sights = look(world.view, {}, now);
    return objection(world.view, vm, world.node("n2"), promised_memory(world.view), sights, now + later, settings);
  }
};

bool contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

}  // namespace

TEST_CASE("a node takes a VM only when nothing speaks against it") {
  PlacementCase it;
  it.world.vm(web).memory = 10 * gib;
  SECTION("the twin: nothing") { CHECK(it.objection_to_n2().empty()); }
  SECTION("named in the node limit") {
    it.world.vm(web).node_limit = {"n3", "n2"};
    CHECK(it.objection_to_n2().empty());
  }
  SECTION("not in the node limit") {
    it.world.vm(web).node_limit = {"n1", "n3"};
    CHECK(it.objection_to_n2() == "not in the node limit of vm1");
  }
  SECTION("suspect") { CHECK(it.objection_to_n2(seconds(3)) == "not known to be alive"); }
  SECTION("lost") {
    it.world.lose("n2");
    CHECK(it.objection_to_n2() == "not known to be alive");
  }
  SECTION("starting up or leaving") {
    it.world.says("n2", DaemonState::Shutdown);
    CHECK(it.objection_to_n2() == "not in state run");
  }
  SECTION("being fenced, whatever the phase") {
    it.world.fence("n2", FencePhase::Intent);
    CHECK(it.objection_to_n2() == "being fenced");
  }
  SECTION("its keepalive lives and its core decides no more, to the microsecond") {
    it.world.core_age("n2", it.settings.needs.silent_after);
    CHECK(it.objection_to_n2().empty());
    it.world.core_age("n2", it.settings.needs.silent_after + 1);
    CHECK(it.objection_to_n2() == "pvcd.service has not reported for more than 10 s");
  }
  SECTION("its core was never heard of") {
    it.world.live("n2").value.units.clear();
    CHECK(it.objection_to_n2() == "pvcd.service does not run");
  }
  SECTION("memory promised to others, to the byte") {
    it.world.vm(mail).memory = 54 * gib;
    it.world.own(mail, "n2");
    it.world.run(mail);
    CHECK(it.objection_to_n2().empty());
    it.world.vm(mail).memory += 1;
    CHECK(it.objection_to_n2() == "10.0 GiB not promised to others, vm1 needs 10.0 GiB");
  }
  SECTION("memory of a VM whose owner cannot be read: where it ran last, or else anywhere") {
    it.world.vm(mail).memory = 60 * gib;
    it.world.own(mail, "n3");
    it.world.run(mail);
    it.world.view.owners.erase(mail);
    it.world.view.broken["/owners/" + mail] = "no JSON";
    CHECK(it.objection_to_n2().empty());
    it.world.view.runs.erase(mail);
    CHECK(it.objection_to_n2() == "4.0 GiB not promised to others, vm1 needs 10.0 GiB");
  }
  SECTION("memory of a VM that it owns and whose record cannot be read") {
    it.world.own(mail, "n2");
    it.world.view.vms.erase(mail);
    CHECK(it.objection_to_n2().empty());  // undefined
    it.world.view.broken["/vms/" + mail] = "no JSON";
    CHECK(it.objection_to_n2() == "owns a VM whose record cannot be read, and may need its memory");
  }
  SECTION("sizes that no number can hold together") {
    it.world.vm(mail).memory = std::numeric_limits<std::int64_t>::max();
    it.world.own(mail, "n2");
    const VmUuid third = "aaaaaaaa-0000-0000-0000-000000000003", fourth = "aaaaaaaa-0000-0000-0000-000000000004";
    for (const VmUuid& uuid : {third, fourth}) {
      it.world.vm(uuid).memory = std::numeric_limits<std::int64_t>::max();
      it.world.own(uuid, "n2");
    }
    CHECK(it.objection_to_n2() == "0.0 GiB not promised to others, vm1 needs 10.0 GiB");
  }
  SECTION("more promised than there is") {
    it.world.vm(mail).memory = 80 * gib;
    it.world.own(mail, "n2");
    CHECK(it.objection_to_n2() == "0.0 GiB not promised to others, vm1 needs 10.0 GiB");
  }
  SECTION("memory that is not free, whoever uses it") {
    it.world.live("n2").value.memory_free = 10 * gib;
    CHECK(it.objection_to_n2().empty());
    it.world.live("n2").value.memory_free -= 1;
    CHECK(it.objection_to_n2() == "10.0 GiB free, vm1 needs 10.0 GiB");
  }
  SECTION("free memory that a VM assigned to it has not taken yet (finding F24)") {
    it.world.live("n2").value.memory_free = 13 * gib;
    it.world.vm(mail).memory = 4 * gib;
    it.world.own(mail, "n2");
    CHECK(it.objection_to_n2() == "9.0 GiB free, vm1 needs 10.0 GiB");
    it.world.run(mail, VmState::Running);  // it has taken it: the host's number says so
    CHECK(it.objection_to_n2().empty());
    it.world.run(mail, VmState::Starting);
    CHECK_FALSE(it.objection_to_n2().empty());
    it.world.run(mail, VmState::Running).generation = 0;  // that was an earlier one
    CHECK_FALSE(it.objection_to_n2().empty());
  }
}

TEST_CASE("a node whose hypervisor or hook does not work takes no VM, and the unit is named") {
  PlacementCase it;
  it.world.vm(web);
  it.settings.needs.plugins = {"libvirt", "rbd-locks"};
  auto& units = it.world.live("n2").value.units;
  units["libvirt"] = {"running", seconds(1), ""};
  units["rbd-locks"] = {"running", seconds(1), ""};
  SECTION("the twin") { CHECK(it.objection_to_n2().empty()); }
  SECTION("absent") {
    units.erase("libvirt");
    CHECK(it.objection_to_n2() == "pvcd-libvirt.service does not run");
  }
  SECTION("killed: its last word was that it runs") {
    units["libvirt"].age = seconds(11);
    CHECK(it.objection_to_n2() == "pvcd-libvirt.service has not reported for more than 10 s");
  }
  SECTION("stalled") {
    units["rbd-locks"] = {"stalled", 0, "Ceph does not answer"};
    CHECK(it.objection_to_n2() == "pvcd-rbd-locks.service is stalled: Ceph does not answer");
  }
  SECTION("starting") {
    units["rbd-locks"].state = "starting";
    CHECK(it.objection_to_n2() == "pvcd-rbd-locks.service is starting");
  }
  SECTION("what it does not need") {
    units["ipmi"] = {"stalled", 0, ""};
    CHECK(it.objection_to_n2().empty());
  }
}

TEST_CASE("after a reboot of all hosts a VM waits for the units of the host it ran on") {
  PlacementCase it;
  it.settings.needs.plugins = {"libvirt"};
  const auto report = [&](const NodeName& name, const std::string& state) {
    it.world.live(name).value.units["libvirt"] = {state, 0, ""};
  };
  it.world.vm(web).home = "n1";
  it.world.own(web, "n2");
  for (const char* name : {"n1", "n2", "n3"}) {
    it.world.prove(name, EvidenceKind::LaterBoot);
    it.world.join(name, 2, 2);
    report(name, "running");
  }
  SECTION("which starts them: nobody else takes it") {
    report("n2", "starting");
    const Placement placement = it.place_web();
    CHECK(placement.node.empty());
    CHECK(placement.awaited == "n2");
    CHECK(placement.otherwise == "n1");
    CHECK(contains(placement.rejected, "n2: pvcd-libvirt.service is starting"));
  }
  SECTION("which has not said yet that it runs") {
    it.world.live("n2").value.daemon_state = DaemonState::Init;
    CHECK(it.place_web().node.empty());
  }
  SECTION("whose fence ends because it has booted") {
    it.world.fence("n2", FencePhase::Acting).victim.boot = World::boot_of("n2");
    CHECK(it.place_web().node.empty());
    CHECK(contains(it.place_web().rejected, "n2: the fence of its earlier boot is still open"));
  }
  SECTION("not one that is fenced in its present boot") {
    it.world.fence("n2", FencePhase::Acting);
    CHECK(it.place_web().node == "n1");
    CHECK(contains(it.place_web().rejected, "n2: being fenced"));
  }
  SECTION("whose join is not seen as a whole yet") {
    it.world.view.live.erase({"n2", 2});
    CHECK(it.place_web().node.empty());
    it.world.node("n2").memory_total = gib;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("which has joined, and whose first heartbeat will tell what memory it has") {
    LiveRecord& live = it.world.live("n2").value;
    live.daemon_state = DaemonState::Init;
    live.memory_free = 0;
    live.counter = 0;
    CHECK(it.place_web().node.empty());
    ++live.counter;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("which is ready: it is better than the home") { CHECK(it.place_web().node == "n2"); }
  SECTION("which has had time enough") {
    report("n2", "starting");
    it.world.live("n2").value.counter = beats_while_booting;
    CHECK(it.place_web().node.empty());
    ++it.world.live("n2").value.counter;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("not where a host is ready that was not off") {
    report("n2", "starting");
    it.world.live("n1").value.counter = beats_while_booting + 1;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("not where a host is ready that was not off, although another is better") {
    report("n2", "starting");
    it.world.live("n3").value.counter = beats_while_booting + 1;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("whose heartbeat is late once while it boots") {
    report("n2", "starting");
    it.settings.suspect_after = 0;
    CHECK(it.objection_to_n2(seconds(1)) == "not known to be alive");
  }
  SECTION("not where something else speaks against it") {
    report("n2", "starting");
    it.world.node("n2").memory_total = gib;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("not where it could not be started") {
    report("n2", "starting");
    it.world.view.owners.at(web).value.failed_on = {"n2"};
    CHECK(it.place_web().node == "n1");
  }
  SECTION("not where it was released") {
    report("n2", "starting");
    it.world.view.owners.at(web).value.released = true;
    CHECK(it.place_web().node == "n1");
  }
  SECTION("not where nobody else could take it either") {
    for (const char* name : {"n1", "n2", "n3"}) report(name, "starting");
    CHECK(contains(it.place_web().rejected, "n1: pvcd-libvirt.service is starting"));
  }
}

TEST_CASE("a VM that is to leave a node is placed on another, or nowhere") {
  PlacementCase it;
  it.world.vm(web).home = "n2";
  CHECK(it.place_web().node == "n2");
  CHECK(it.place_web("n2").node != "n2");
  CHECK(contains(it.place_web("n2").rejected, "n2: it is to leave this one"));
  it.world.vm(web).node_limit = {"n2"};
  CHECK(it.place_web("n2").node.empty());
}

TEST_CASE("of many reasons the first ones are told and the rest is counted") {
  std::vector<std::string> reasons;
  CHECK(list_of(reasons).empty());
  for (int i = 1; i <= 10; ++i) reasons.push_back("r" + std::to_string(i));
  CHECK(list_of(reasons) == "r1; r2; r3; r4; r5; r6; r7; r8; r9; r10");
  reasons.push_back("r11");
  CHECK(list_of(reasons) == "r1; r2; r3; r4; r5; r6; r7; r8; r9; r10; and 1 more");
}

TEST_CASE("memory is promised to each VM that is assigned, running or not, and to nobody else") {
  World world;
  world.vm(web).memory = 4 * gib;
  world.vm(mail).memory = 8 * gib;
  world.own(web, "n2");
  world.own(mail, "n2");
  CHECK(promised_memory(world.view).at("n2").total == 12 * gib);
  CHECK(promised_memory(world.view).at("n2").not_taken == 12 * gib);
  world.view.owners.at(mail).value.released = true;
  CHECK(promised_memory(world.view).at("n2").total == 4 * gib);
  world.view.vms.erase(web);
  CHECK(promised_memory(world.view).empty());
}

TEST_CASE("a boot that is proven over has no promises: its node is free again after the reboot") {
  World world;
  world.own(web, "n2");
  world.prove("n2", EvidenceKind::LaterBoot);
  world.join("n2", 2, 2);
  CHECK(promised_memory(world.view).empty());
}

TEST_CASE("the home is taken when it fits, else the node with most memory not promised; each other one is named") {
  PlacementCase it;
  it.world.own(mail, "n1");
  it.world.node("n3").memory_total = 100 * gib;
  SECTION("the biggest") {
    const Placement placement = it.place_web();
    CHECK(placement.node == "n3");
    CHECK(contains(placement.rejected, "n1: fits, but another is preferred"));
    CHECK(contains(placement.rejected, "n2: fits, but another is preferred"));
  }
  SECTION("among equals the first") {
    it.world.node("n3").memory_total = 64 * gib;
    CHECK(it.place_web().node == "n2");
  }
  SECTION("the home, although it is the smallest") {
    it.world.vm(web).home = "n1";
    CHECK(it.place_web().node == "n1");
    CHECK(it.place_web().rejected.size() == 2);
  }
  SECTION("not the home that does not fit") {
    it.world.vm(web).home = "n1";
    it.world.lose("n1");
    const Placement placement = it.place_web();
    CHECK(placement.node == "n3");
    CHECK(contains(placement.rejected, "n1: not known to be alive"));
  }
  SECTION("nowhere, with the reason of each") {
    it.world.vm(web).memory = 1000 * gib;
    const Placement placement = it.place_web();
    CHECK(placement.node.empty());
    CHECK(placement.rejected.size() == 3);
  }
}

TEST_CASE(
    "a node that could not start the VM is the last choice, before home and memory, and is one if nothing else is "
    "left") {
  PlacementCase it;
  it.world.own(web, "n2").released = true;
  it.world.vm(web).home = "n1";
  it.world.node("n3").memory_total = 1000 * gib;
  auto& failed_on = it.world.view.owners.at(web).value.failed_on;
  SECTION("the twin") { CHECK(it.place_web().node == "n1"); }
  SECTION("not the home") {
    failed_on = {"n1"};
    CHECK(it.place_web().node == "n3");
    CHECK(contains(it.place_web().rejected, "n1: vm1 could not be started there"));
    CHECK(contains(it.place_web().rejected, "n2: fits, but another is preferred"));
  }
  SECTION("not the biggest") {
    failed_on = {"n1", "n3"};
    CHECK(it.place_web().node == "n2");
    CHECK(contains(it.place_web().rejected, "n3: vm1 could not be started there"));
  }
  SECTION("the others cannot take it") {
    failed_on = {"n1"};
    it.world.lose("n2").lose("n3");
    CHECK(it.place_web().node == "n1");
  }
  SECTION("all have failed: as if none had") {
    failed_on = {"n1", "n2", "n3"};
    CHECK(it.place_web().node == "n1");
  }
  SECTION("of another VM") {
    it.world.own(mail, "n2").failed_on = {"n1"};
    CHECK(it.place_web().node == "n1");
  }
  CHECK(has_failed_on(it.world.view, web, "n1") == !failed_on.empty());
  CHECK_FALSE(has_failed_on(it.world.view, "unknown", "n1"));
}

TEST_CASE("a VM goes back to the node that it ran on, but not to one whose record cannot be read") {
  PlacementCase it;
  it.world.own(web, "n2");
  it.world.vm(web).home = "n3";
  it.world.prove("n2");
  it.world.join("n2", 2, 2);
  CHECK(it.place_web().node == "n2");
  it.world.view.nodes.erase("n2");
  CHECK(it.place_web().node == "n3");
  CHECK(it.place_web().awaited.empty());
}

TEST_CASE("a VM without memory is placed on an overfull node without wrapping around") {
  PlacementCase it;
  it.world.vm(web).memory = 0;
  it.world.vm(mail).memory = 80 * gib;
  it.world.own(mail, "n1");
  it.world.vm(web).node_limit = {"n1", "n2"};
  CHECK(it.place_web().node == "n2");
}

TEST_CASE("a VM with a disk that only one host has is pinned (rule 12)") {
  PlacementCase it;
  VmRecord& vm = it.world.vm(web);
  SECTION("its twin with RBD and shared disks only goes anywhere") {
    if (GENERATE(true, false)) vm.disks.push_back({"vdb", DiskKind::Shared, "/net/vms/scratch.img"});
    CHECK_FALSE(is_pinned(vm));
    CHECK(pinned_to(it.world.view, vm).empty());
    it.world.own(web, "n2");
    CHECK(pinned_to(it.world.view, vm).empty());
  }
  SECTION("one local disk among RBD disks is enough") {
    vm.disks.push_back({"vdb", DiskKind::Local, "/var/lib/scratch.img"});
    CHECK(is_pinned(vm));
    SECTION("never owned, no home: any node") {
      CHECK(pinned_to(it.world.view, vm).empty());
      CHECK_FALSE(it.place_web().node.empty());
    }
    SECTION("never owned: only its home") {
      vm.home = "n3";
      CHECK(it.place_web().node == "n3");
      it.world.lose("n3");
      const Placement placement = it.place_web();
      CHECK(placement.node.empty());
      CHECK(contains(placement.rejected, "n1: does not have the local disks of vm1"));
    }
    SECTION("owned once: only its last owner, wherever its home is, released or not") {
      vm.home = "n3";
      it.world.own(web, "n2").released = true;
      CHECK(it.place_web().node == "n2");
      it.world.lose("n2");
      CHECK(it.place_web().node.empty());
    }
  }
}

TEST_CASE("no VM is placed on a node that flaps, however much room it has; two hiccups do no harm") {
  PlacementCase it;
  const VmRecord vm = it.world.vm(web);
  Sights sights = look(it.world.view, {}, it.now);
  const auto objection_to_n2 = [&] {
    return objection(it.world.view, vm, it.world.node("n2"), promised_memory(it.world.view), sights, it.now,
                     it.settings);
  };
  sights["n2"].hiccups = {it.now - seconds(2), it.now - seconds(1)};
  CHECK(objection_to_n2().empty());
  sights["n2"].hiccups.push_back(it.now);
  CHECK(objection_to_n2() == "flapping: its heartbeat was away 3 times within 60 s");
  it.world.vm(web).home = "n2";
  const Placement placement =
      place(it.world.view, it.world.vm(web), promised_memory(it.world.view), sights, it.now, it.settings);
  CHECK(placement.node != "n2");
  CHECK_FALSE(placement.node.empty());
}
