#include "core/objects/derive.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::core;
using logic::ClusterView;
using logic::test::gib;
using logic::test::mail;
using logic::test::web;

namespace {

// A cluster of living nodes; each test bends it.
struct DerivedWorld {
  ClusterView view;
  logic::UnitNeeds needs;

  DerivedWorld() {
    view.complete = true;
    view.cluster = {ClusterRecord{"id", "lab", false}, 0};
    for (const char* name : {"n1", "n2", "n3"}) join(name, std::string("boot-") + name, 1);
    add_vm(web, WantedState::Running);
  }
  void join(const NodeName& name, const BootId& boot, Incarnation incarnation) {
    NodeRecord node;
    node.name = name;
    node.boot = boot;
    node.incarnation = incarnation;
    view.nodes[name] = {node, 0};
    logic::Live live;
    live.value.node = name;
    live.value.boot = boot;
    live.value.incarnation = incarnation;
    live.value.daemon_state = DaemonState::Run;
    live.value.units["core"] = {"running", 0, ""};
    live.session = true;
    view.live[{name, incarnation}] = live;
  }
  logic::Live& live(const NodeName& name) { return view.live.at({name, view.nodes.at(name).value.incarnation}); }
  Life life(const NodeName& name) const {
    const NodeRecord& node = view.nodes.at(name).value;
    return {name, node.boot, node.incarnation};
  }
  void add_vm(const VmUuid& uuid, WantedState wanted, std::uint64_t memory = gib) {
    VmRecord vm;
    vm.uuid = uuid;
    vm.name = "vm-" + uuid.substr(35);
    vm.wanted = wanted;
    vm.memory = memory;
    vm.vcpus = 2;
    view.vms[uuid] = {vm, 0};
  }
  OwnerRecord& own(const VmUuid& uuid, const NodeName& node, Generation generation) {
    OwnerRecord owner;
    owner.generation = generation;
    owner.owner = life(node);
    view.owners[uuid] = {owner, 0};
    return view.owners[uuid].value;
  }
  RunRecord& run(const VmUuid& uuid, const NodeName& node, Generation generation, VmState state) {
    RunRecord record;
    record.generation = generation;
    record.life = life(node);
    record.state = state;
    view.runs[uuid] = {record, 0};
    return view.runs[uuid].value;
  }
  void prove(const NodeName& node, EvidenceKind kind) {
    EvidenceRecord evidence;
    evidence.kind = kind;
    evidence.life = life(node);
    view.evidence[evidence.life.boot] = {evidence, 0};
    live(node).session = false;
  }
  void lead(const NodeName& node, Epoch epoch) {
    view.leader = {LeaderRecord{epoch, node, view.nodes.at(node).value.incarnation}, 0};
  }
  VmProperties vm(const VmUuid& uuid = web) const { return derive_vm(view, view.vms.at(uuid).value, needs); }
  VmState state() const { return vm().state; }
  NodeProperties node(const NodeName& name, DaemonState last = DaemonState::Init, bool coordinator = true) const {
    const auto totals = node_totals(view);
    auto found = totals.find(name);
    return derive_node(view, view.nodes.at(name).value, found == totals.end() ? NodeTotals{} : found->second,
                       coordinator, last);
  }
};

}  // namespace

TEST_CASE("a VM that nobody owned yet") {
  DerivedWorld world;
  CHECK(world.state() == VmState::Starting);
  world.view.vms[web].value.wanted = WantedState::Stopped;
  CHECK(world.state() == VmState::Stopped);
  CHECK(world.vm().node.empty());
  CHECK(world.vm().generation == 0);
}

TEST_CASE("under a living owner the state is what the owner says of this generation") {
  DerivedWorld world;
  world.own(web, "n1", 3);
  CHECK(world.state() == VmState::Starting);
  world.run(web, "n1", 2, VmState::Running);
  CHECK(world.state() == VmState::Starting);
  for (VmState said : {VmState::Running, VmState::Paused, VmState::Failed, VmState::Migrating, VmState::Unknown}) {
    world.run(web, "n1", 3, said);
    CHECK(world.state() == said);
  }
  world.run(web, "n1", 3, VmState::Stopped);
  CHECK(world.state() == VmState::Starting);
  CHECK(world.vm().node == "n1");
  CHECK(world.vm().generation == 3);
}

TEST_CASE("a VM not wanted running is stopping until it is released") {
  DerivedWorld world;
  world.view.vms[web].value.wanted = WantedState::Disabled;
  auto& owner = world.own(web, "n1", 1);
  CHECK(world.state() == VmState::Stopping);
  world.run(web, "n1", 1, VmState::Running);
  CHECK(world.state() == VmState::Stopping);
  world.run(web, "n1", 1, VmState::Stopped);
  CHECK(world.state() == VmState::Stopped);
  world.run(web, "n1", 1, VmState::Failed);
  CHECK(world.state() == VmState::Failed);
  owner.released = true;
  world.run(web, "n1", 1, VmState::Stopped);
  CHECK(world.state() == VmState::Stopped);
}

TEST_CASE("recovering: from the loss of the owner until it runs at the new generation") {
  DerivedWorld world;
  world.own(web, "n1", 1);
  world.run(web, "n1", 1, VmState::Running);
  world.live("n1").session = false;
  CHECK(world.state() == VmState::Recovering);
  CHECK(world.vm().failed_reason == "waiting for proof that n1 is off");
  world.view.fences["n1"].value.note = "the BMC does not answer";
  CHECK(world.vm().failed_reason == "waiting for proof that n1 is off: the BMC does not answer");

  world.prove("n1", EvidenceKind::Power);
  CHECK(world.state() == VmState::Recovering);
  CHECK(world.vm().failed_reason == "waiting for a primary: no coordinator has the role");
  world.lead("n2", 1);
  CHECK(world.vm().failed_reason.empty());
  world.view.waiting[web] = {WaitingRecord{"no node can take it now"}, 0};
  CHECK(world.vm().failed_reason == "no node can take it now");

  auto& owner = world.own(web, "n2", 2);
  owner.former.push_back({world.life("n1"), 1, {}, {}, CoverKind::Power});
  CHECK(world.state() == VmState::Recovering);
  world.run(web, "n2", 2, VmState::Starting);
  CHECK(world.state() == VmState::Recovering);
  world.run(web, "n2", 2, VmState::Running);
  CHECK(world.state() == VmState::Running);
  world.run(web, "n2", 2, VmState::Failed).reason = "image vms/web: watcher 10.0.0.1:0/7 is alive";
  CHECK(world.state() == VmState::Failed);
  CHECK(world.vm().failed_reason == "image vms/web: watcher 10.0.0.1:0/7 is alive");
}

TEST_CASE("whatever is wanted and is not so says what is missing, on every node (S10)") {
  DerivedWorld world;
  world.lead("n1", 1);
  world.needs.plugins = {"libvirt"};
  for (const char* name : {"n1", "n2", "n3"}) world.live(name).value.units["libvirt"] = {"running", 0, ""};
  const auto reason = [&] { return world.vm().failed_reason; };
  SECTION("no node yet") {
    CHECK(reason().empty());  // the primary has not said anything against it
    world.view.waiting[web] = {WaitingRecord{"no node can take it now: n1: being fenced"}, 0};
    CHECK(reason() == "no node can take it now: n1: being fenced");
    CHECK(world.state() == VmState::Starting);
    world.view.vms.at(web).value.wanted = WantedState::Stopped;
    CHECK(reason().empty());
  }
  SECTION("no primary") {
    world.view.leader.reset();
    CHECK(reason() == "waiting for a primary: no coordinator has the role");
  }
  SECTION("in maintenance") {
    world.own(web, "n2", 1);
    world.live("n2").session = false;
    world.view.cluster->value.maintenance = true;
    CHECK(reason() ==
          "waiting for proof that n2 is off: the cluster is in maintenance, nobody is fenced unless asked for");
  }
  SECTION("its node has left") {
    world.own(web, "n2", 1);
    world.live("n2").session = false;
    world.live("n2").value.daemon_state = DaemonState::Left;
    CHECK(reason() == "waiting for proof that n2 is off: it has left the cluster, and the VM may run on there");
  }
  SECTION("the hypervisor of its node") {
    world.own(web, "n2", 1);
    CHECK(reason().empty());
    world.live("n2").value.units.erase("libvirt");
    CHECK(reason() == "waiting for n2: pvcd-libvirt.service does not run");
    world.run(web, "n2", 1, VmState::Starting).reason = "hook libvirt gave no answer";
    CHECK(reason() == "waiting for n2: pvcd-libvirt.service does not run");
    world.run(web, "n2", 1, VmState::Running);
    CHECK(reason().empty());  // as wanted, whoever is missing
    world.view.vms.at(web).value.wanted = WantedState::Stopped;
    CHECK(reason() == "waiting for n2: pvcd-libvirt.service does not run");
  }
  SECTION("the core of its node says what stands in the way") {
    world.own(web, "n2", 1);
    world.live("n2").value.units["core"].note = "the hypervisor plugin libvirt has not listed the domains of this host";
    CHECK(reason() == "waiting for n2: the hypervisor plugin libvirt has not listed the domains of this host");
    world.run(web, "n2", 1, VmState::Starting).reason = "of the VM itself";
    CHECK(reason() == "of the VM itself");
  }
}

TEST_CASE("a job that is under way says what its VM waits for") {
  DerivedWorld world;
  JobRecord job;
  job.type = "vm-start";
  job.object = web;
  const auto message = [&] { return derive_job(world.view, 1, job, world.needs).message; };
  job.message = "its own";
  CHECK(message() == "its own");
  job.state = JobState::Running;
  CHECK(message() == "waiting for a primary: no coordinator has the role");
  job.state = JobState::Finished;
  CHECK(message() == "its own");
}

TEST_CASE("a start after a release is no recovery") {
  DerivedWorld world;
  world.own(web, "n2", 2).former.push_back({world.life("n1"), 1, {}, {}, CoverKind::Release});
  CHECK(world.state() == VmState::Starting);
}

TEST_CASE("a lost VM that nobody wants running is unknown until its host is proven off") {
  DerivedWorld world;
  world.view.vms[web].value.wanted = WantedState::Stopped;
  world.own(web, "n1", 1);
  world.run(web, "n1", 1, VmState::Running);
  world.live("n1").session = false;
  CHECK(world.state() == VmState::Unknown);
  world.prove("n1", EvidenceKind::Operator);
  CHECK(world.state() == VmState::Stopped);
}

TEST_CASE("nobody says anything about the VMs of a node that left") {
  DerivedWorld world;
  world.own(web, "n1", 1);
  world.run(web, "n1", 1, VmState::Running);
  world.live("n1").session = false;
  world.live("n1").value.daemon_state = DaemonState::Left;
  CHECK(world.state() == VmState::Unknown);
}

TEST_CASE("a new incarnation of the same boot is no loss, another boot is") {
  DerivedWorld world;
  world.own(web, "n1", 1);
  world.run(web, "n1", 1, VmState::Running);
  world.join("n1", "boot-n1", 2);
  CHECK(world.state() == VmState::Running);
  world.join("n1", "another-boot", 3);
  CHECK(world.state() == VmState::Recovering);
}

TEST_CASE("an old reason is not told of a new generation") {
  DerivedWorld world;
  world.own(web, "n2", 2);
  world.run(web, "n1", 1, VmState::Failed).reason = "old";
  CHECK(world.vm().failed_reason.empty());
}

TEST_CASE("a VM with a broken entry is unknown and says which") {
  DerivedWorld world;
  world.own(web, "n1", 1);
  world.run(web, "n1", 1, VmState::Running);
  world.view.broken["/owners/" + web] = "key 'epoch': missing";
  CHECK(world.state() == VmState::Unknown);
  CHECK(world.vm().failed_reason == "store entry /owners/" + web + ": key 'epoch': missing");
}

TEST_CASE("migrated: another node than home owns it") {
  DerivedWorld world;
  auto& owner = world.own(web, "n1", 1);
  CHECK_FALSE(world.vm().migrated);
  world.view.vms[web].value.home = "n1";
  CHECK_FALSE(world.vm().migrated);
  world.view.vms[web].value.home = "n2";
  CHECK(world.vm().migrated);
  owner.released = true;
  CHECK_FALSE(world.vm().migrated);
}

TEST_CASE("allocated counts what runs, provisioned what is assigned") {
  DerivedWorld world;
  world.add_vm(mail, WantedState::Stopped, 3 * gib);
  world.own(web, "n1", 1);
  world.own(mail, "n1", 1).released = true;
  CHECK(world.node("n1").memory_allocated == 0);
  CHECK(world.node("n1").memory_provisioned == 4 * gib);
  world.run(web, "n1", 1, VmState::Starting);
  CHECK(world.node("n1").memory_allocated == 0);
  world.run(web, "n1", 1, VmState::Paused);
  CHECK(world.node("n1").memory_allocated == gib);
  CHECK(world.node("n1").vcpus_allocated == 2);
  CHECK(world.node("n1").running_vms == 1);
  CHECK(world.node("n2").memory_provisioned == 0);

  SECTION("a released VM does not run, whatever its record says") {
    world.view.owners[web].value.released = true;
    CHECK(world.node("n1").memory_allocated == 0);
  }
  SECTION("a lost node may run it still, a dead one does not") {
    world.live("n1").session = false;
    CHECK(world.node("n1").memory_allocated == gib);
    world.prove("n1", EvidenceKind::Power);
    CHECK(world.node("n1").memory_allocated == 0);
    CHECK(world.node("n1").memory_provisioned == 4 * gib);
  }
  SECTION("what a former owner said does not count") {
    world.own(web, "n2", 2);
    CHECK(world.node("n1").memory_allocated == 0);
    CHECK(world.node("n1").running_vms == 0);
    CHECK(world.node("n2").memory_provisioned == gib);
  }
}

TEST_CASE("the daemon's state: its own word, then evidence, never a timeout") {
  DerivedWorld world;
  CHECK(world.node("n1").daemon_state == DaemonState::Run);
  world.live("n1").session = false;
  CHECK(world.node("n1").daemon_state == DaemonState::Run);
  world.live("n1").value.daemon_state = DaemonState::Left;
  CHECK(world.node("n1").daemon_state == DaemonState::Left);

  SECTION("power") {
    world.prove("n1", EvidenceKind::Power);
    CHECK(world.node("n1").daemon_state == DaemonState::Fenced);
    world.join("n1", "next-boot", 2);
    CHECK(world.node("n1").daemon_state == DaemonState::Run);
  }
  SECTION("an operator") {
    world.prove("n1", EvidenceKind::Operator);
    CHECK(world.node("n1").daemon_state == DaemonState::Dead);
  }
  SECTION("its live entry was removed by a claim: its last word stays") {
    world.view.live.erase({"n1", 1});
    CHECK(world.node("n1", DaemonState::Run).daemon_state == DaemonState::Run);
  }
}

TEST_CASE("the coordinator's state counts only under the leadership that counts") {
  DerivedWorld world;
  const auto state = [&](const NodeName& name) { return world.node(name).coordinator_state; };
  CHECK(world.node("n3", DaemonState::Init, false).coordinator_state == CoordinatorState::Client);
  CHECK(state("n1") == CoordinatorState::Secondary);
  world.lead("n1", 4);
  CHECK(state("n1") == CoordinatorState::Takeover);
  world.view.roles["n1"].value = {CoordinatorState::Primary, 3};
  CHECK(state("n1") == CoordinatorState::Takeover);
  world.view.roles["n1"].value = {CoordinatorState::Primary, 4};
  CHECK(state("n1") == CoordinatorState::Primary);
  world.lead("n2", 5);
  CHECK(state("n1") == CoordinatorState::Secondary);
  world.view.roles["n1"].value = {CoordinatorState::Relinquish, 4};
  CHECK(state("n1") == CoordinatorState::Relinquish);
  CHECK(state("n2") == CoordinatorState::Takeover);
}

TEST_CASE("fence readiness is of one boot") {
  DerivedWorld world;
  CHECK_FALSE(world.node("n1").fence_ready);
  CHECK(world.node("n1").fence_note == "not checked since this boot");
  world.view.readiness["n1"].value = {"boot-n1", true, "GUID matches"};
  CHECK(world.node("n1").fence_ready);
  CHECK(world.node("n1").fence_note == "GUID matches");
  world.join("n1", "next-boot", 2);
  CHECK_FALSE(world.node("n1").fence_ready);
}

TEST_CASE("the manager: a primary counts while it lives, a quorum while the store does") {
  DerivedWorld world;
  world.lead("n2", 7);
  world.live("n1").value.units["core"] = {"running", 10, ""};
  world.live("n1").value.units["ipmi"] = {"stalled", 20, "n3"};
  const auto shown = derive_manager(world.view, "n1", true, 5);
  CHECK(shown.cluster_name == "lab");
  CHECK(shown.primary == "n2");
  CHECK(shown.epoch == 7);
  CHECK(shown.quorate);
  REQUIRE(shown.plugins.size() == 2);
  CHECK(shown.plugins[0].unit == "pvcd.service");
  CHECK(shown.plugins[1].unit == "pvcd-ipmi.service");
  CHECK(shown.plugins[1].age == 25);

  world.live("n2").session = false;
  CHECK(derive_manager(world.view, "n1", true, 0).primary.empty());
  CHECK(derive_manager(world.view, "n1", true, 0).epoch == 7);
  CHECK_FALSE(derive_manager(world.view, "n1", false, 0).quorate);
  world.view.complete = false;
  CHECK_FALSE(derive_manager(world.view, "n1", true, 0).quorate);
}

TEST_CASE("an age counts from when this observer saw the counter move") {
  DerivedWorld world;
  Sightings sightings;
  sightings.look(world.view, 100);
  CHECK(sightings.age("n1", 150) == 50);
  sightings.look(world.view, 200);
  CHECK(sightings.age("n1", 250) == 150);
  world.live("n1").value.counter = 1;
  sightings.look(world.view, 300);
  CHECK(sightings.age("n1", 350) == 50);
  CHECK(sightings.age("n2", 350) == 250);
  world.view.live.erase({"n1", 1});
  sightings.look(world.view, 400);
  CHECK(sightings.age("n1", 400) == 100);
  CHECK(sightings.of("n1")->last_state == DaemonState::Run);
  world.view.nodes.erase("n1");
  sightings.look(world.view, 500);
  CHECK(sightings.of("n1") == nullptr);
}

TEST_CASE("a job names its object by path") {
  JobRecord job;
  job.type = "vm-start";
  job.object = web;
  CHECK(derive_job(DerivedWorld().view, 7, job, {}).object_path ==
        "/org/pvcd1/vm/aaaaaaaa_0000_0000_0000_000000000001");
  job.type = "node-fence";
  job.object = "rack-1";
  CHECK(derive_job(DerivedWorld().view, 7, job, {}).object_path == "/org/pvcd1/node/rack_1");
  job.type = "of-a-newer-version";
  CHECK(derive_job(DerivedWorld().view, 7, job, {}).object_path == "/org/pvcd1");
  CHECK(derive_job(DerivedWorld().view, 7, job, {}).id == 7);
}

TEST_CASE("only what changed is told, and an age alone is not") {
  DerivedWorld world;
  world.own(web, "n1", 1);
  const auto before = world.vm();
  world.run(web, "n1", 1, VmState::Running);
  CHECK(changed(before, world.vm()) == std::vector<std::string>{"State"});
  CHECK(changed(before, before).empty());

  world.live("n1").value.units["core"] = {"running", 10, ""};
  const auto manager = derive_manager(world.view, "n1", true, 0);
  CHECK(changed(manager, derive_manager(world.view, "n1", true, 99)).empty());
  world.live("n1").value.units["core"].state = "stalled";
  CHECK(changed(manager, derive_manager(world.view, "n1", true, 0)) == std::vector<std::string>{"Plugins"});
}
