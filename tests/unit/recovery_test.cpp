// Who gets a VM, and on what proof.

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::Coordinator;
using test::gib;
using test::mail;
using test::web;
using test::World;

namespace {

struct RecoveryCase {
  World world;
  Coordinator n1{world};

  const AssignVm* assign(const VmUuid& uuid = web) const { return n1.with_key<AssignVm>("assign/" + uuid); }
  std::string waiting(const VmUuid& uuid = web) const {
    auto found = n1.memory.waiting.find(uuid);
    return found == n1.memory.waiting.end() ? "" : found->second;
  }
};

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

VmUuid numbered(int i) { return "bbbbbbbb-0000-0000-0000-00000000000" + std::to_string(i); }

}  // namespace

// ---------------------------------------------------------------------------------------------------------------
// ownership

TEST_CASE("a VM that is wanted and never had an owner is assigned at generation 1") {
  RecoveryCase it;
  it.world.vm(web).home = "n3";
  it.n1.round();
  REQUIRE(it.assign());
  CHECK(it.assign()->record.generation == 1);
  CHECK(it.assign()->record.owner == it.world.life("n3"));
  CHECK(it.assign()->record.storage_addresses == std::vector<std::string>{"10.0.0.3"});
  CHECK(it.assign()->record.epoch == 7);
  CHECK(it.assign()->record.former.empty());
  CHECK_FALSE(it.assign()->replaces);
  CHECK(it.assign()->vm_version == 3);
  CHECK(it.assign()->relies_on.empty());
}

TEST_CASE("a VM that is not wanted is not assigned") {
  for (const WantedState wanted : {WantedState::Stopped, WantedState::Disabled}) {
    RecoveryCase it;
    it.world.vm(web, wanted);
    it.n1.round();
    CHECK_FALSE(it.assign());
    CHECK(it.waiting().empty());
  }
}

TEST_CASE("nothing but a release or evidence about exactly the owner's boot moves ownership (S2)") {
  RecoveryCase it;
  OwnerRecord& owner = it.world.own(web, "n2", 4);
  it.world.run(web);
  SECTION("not while the owner lives") {
    it.n1.round();
    CHECK_FALSE(it.assign());
  }
  SECTION("not when it is silent, or lost") {
    it.world.lose("n2");
    it.n1.wait(seconds(3600)).round();
    CHECK_FALSE(it.assign());
  }
  SECTION("not on a confirmed fence without its evidence") {
    it.world.lose("n2").fence("n2", FencePhase::Confirmed);
    it.n1.round();
    CHECK_FALSE(it.assign());
  }
  SECTION("not on evidence about another boot of that node") {
    it.world.view.evidence["boot-n2-0"] = {EvidenceRecord{}, 1};
    it.world.lose("n2");
    it.n1.round();
    CHECK_FALSE(it.assign());
  }
  SECTION("not on evidence about another node") {
    it.world.prove("n3");
    it.n1.round();
    CHECK_FALSE(it.assign());
  }
  SECTION("the twin that was released: the generation goes on, and its instances are not forgotten") {
    owner.released = true;
    it.n1.round();
    REQUIRE(it.assign());
    CHECK(it.assign()->record.generation == 5);
    CHECK(it.assign()->replaces == 24);
    CHECK(it.assign()->relies_on.empty());
    REQUIRE(it.assign()->record.former.size() == 1);
    CHECK(it.assign()->record.former[0].cover == CoverKind::Release);
    CHECK(it.assign()->record.former[0].instances == it.world.view.runs.at(web).value.instances);
  }
}

TEST_CASE("evidence of each kind covers the former owner by its name, and the assignment relies on it (S2, rule 13)") {
  const auto [kind, cover, words] = GENERATE(table<EvidenceKind, CoverKind, std::string>({
      {EvidenceKind::Power, CoverKind::Power, "is off: its BMC read off after our off"},
      {EvidenceKind::LaterBoot, CoverKind::LaterBoot, "is over: the node runs a later boot"},
      {EvidenceKind::Operator, CoverKind::Operator, "was confirmed off by an operator"},
      {EvidenceKind::Storage, CoverKind::Storage, "is shut out of its disks: no OSD takes a write of it"},
      {EvidenceKind::Watchdog, CoverKind::Watchdog, "was cut by its own watchdog"},
  }));
  RecoveryCase it;
  it.world.own(web, "n2", 4);
  it.world.run(web);
  EvidenceRecord& evidence = it.world.prove("n2", kind);
  if (kind == EvidenceKind::Storage) evidence.images = {"vms/disk1"};
  it.n1.round();
  REQUIRE(it.assign());
  CHECK(it.assign()->handover->cover == cover);
  CHECK(it.assign()->handover->evidence == evidence);  // it is dropped when nothing depends on it any more
  CHECK(it.assign()->record.owner.node != "n2");
  CHECK(it.assign()->relies_on == std::vector<BootId>{"boot-n2-1"});
  REQUIRE(it.assign()->record.former.size() == 1);
  const Writer& former = it.assign()->record.former[0];
  CHECK(former.cover == cover);
  CHECK(former.life == Life{"n2", "boot-n2-1", 1});
  CHECK(former.generation == 4);
  CHECK(former.storage_addresses == std::vector<std::string>{"10.0.0.2"});
  CHECK(former.instances.size() == 1);
  for (const CoordinatorAction& action : it.n1.actions)
    if (key_of(action.act) == "assign/" + web) CHECK(mentions(action.why.because, words));
}

TEST_CASE("instances of another generation are not taken for those of the former owner") {
  RecoveryCase it;
  it.world.own(web, "n2", 4).released = true;
  it.world.run(web).generation = 3;
  it.n1.round();
  REQUIRE(it.assign());
  CHECK(it.assign()->record.former[0].instances.empty());
}

TEST_CASE("every former writer is kept until the VM has run, because its locks may remain") {
  RecoveryCase it;
  it.world.own(web, "n2", 4).former = {Writer{{"n3", "boot-n3-0", 1}, 2, {"10.0.0.3"}, {}, CoverKind::Power}};
  it.world.prove("n2");
  it.n1.round();
  REQUIRE(it.assign());
  REQUIRE(it.assign()->record.former.size() == 2);
  CHECK(it.assign()->record.former[0].life.boot == "boot-n3-0");
  CHECK(it.assign()->record.former[1].life.boot == "boot-n2-1");
}

// Each former writer with its cover and instances, after one more ownership has ended.
TEST_CASE("former writers of one node are merged when a newer cover says all that the older ones do") {
  const Writer older{{"n2", "boot-n2-0", 1}, 2, {"10.0.0.2"}, {{"vms/disk1", "10.0.0.2:0/7"}}, CoverKind::Power};
  RecoveryCase it;
  OwnerRecord& owner = it.world.own(web, "n2", 4);
  owner.former = {older};
  const auto former_after = [&] {
    it.n1.round();
    REQUIRE(it.assign());
    return it.assign()->record.former;
  };
  const auto released_first = [&] { owner.former[0].cover = CoverKind::Release; };
  SECTION("evidence covers the earlier boots of its node: the instances go over to it") {
    if (GENERATE(false, true)) released_first();
    it.world.run(web);
    it.world.prove("n2");
    const auto former = former_after();
    REQUIRE(former.size() == 1);
    CHECK(former[0].life.boot == "boot-n2-1");
    CHECK(former[0].generation == 4);
    CHECK(former[0].cover == CoverKind::Power);
    CHECK(former[0].instances.size() == 2);
    CHECK(former[0].instances[1] == older.instances[0]);
  }
  SECTION("an instance that both are recorded with is one") {
    it.world.run(web).instances = older.instances;
    it.world.prove("n2");
    const auto former = former_after();
    REQUIRE(former.size() == 1);
    CHECK(former[0].instances == older.instances);
  }
  SECTION("a release covers an earlier release") {
    released_first();
    owner.released = true;
    CHECK(former_after().size() == 1);
  }
  SECTION("a release does not replace evidence: locks of what was proven dead may remain") {
    owner.released = true;
    const auto former = former_after();
    REQUIRE(former.size() == 2);
    CHECK(former[0] == older);
    CHECK(former[1].cover == CoverKind::Release);
  }
  SECTION("one that is not covered is never dropped") {
    owner.former[0].cover = CoverKind::None;
    it.world.prove("n2");
    CHECK(former_after().size() == 2);
  }
  SECTION("not of another node") {
    owner.former[0].life.node = "n3";
    it.world.prove("n2");
    CHECK(former_after().size() == 2);
  }
  SECTION("not of other storage addresses: what stands there now is not what the newer one is about") {
    owner.former[0].storage_addresses = {"10.0.0.99"};
    it.world.prove("n2");
    CHECK(former_after().size() == 2);
  }
}

TEST_CASE("starts that fail for ever leave a list that does not grow") {
  RecoveryCase it;
  it.world.own(web, "n2").released = true;
  for (int boot = 2; boot < 200; ++boot) {
    it.n1.refresh().round();
    REQUIRE(it.assign());
    const OwnerRecord next = it.assign()->record;
    OwnerRecord& owner = it.world.own(web, next.owner.node, next.generation);
    owner.former = next.former;
    CHECK(owner.former.size() <= 2 * it.world.view.nodes.size());
    if (boot % 3 == 0) {
      owner.released = true;
    } else if (next.owner.node == "n1") {
      owner.released = true;
    } else {
      it.world.prove(next.owner.node);
      it.world.join(next.owner.node, boot, static_cast<Incarnation>(boot));
    }
  }
}

TEST_CASE("where a VM could not be started is on record with each owner, until it runs or all were tried") {
  RecoveryCase it;
  it.world.own(web, "n2", 4).released = true;
  it.world.view.owners.at(web).value.failed_on = {"n3", "n2"};
  it.n1.round();
  REQUIRE(it.assign());
  CHECK(it.assign()->record.owner.node == "n1");
  CHECK(it.assign()->record.failed_on == std::vector<NodeName>{"n3", "n2"});
}

TEST_CASE("a VM goes back to its node in the later boot when that fits best") {
  RecoveryCase it;
  it.world.own(web, "n2").owner.boot = "boot-n2-1";
  it.world.vm(web).home = "n2";
  it.world.vm(web).memory = 60 * gib;
  it.world.prove("n2", EvidenceKind::LaterBoot);
  it.world.join("n2", 2, 2);
  it.n1.round();
  REQUIRE(it.assign());  // what its older boot had promised is free again
  CHECK(it.assign()->record.owner == Life{"n2", "boot-n2-2", 2});
}

namespace {

// n1 is ready, n2 has libvirt to start yet, and n3 stays away. web, which matters more than mail, ran on n2.
struct AfterPowerCut : RecoveryCase {
  AfterPowerCut() {
    n1.settings.needs.plugins = {"libvirt"};
    for (const VmUuid& uuid : {web, mail}) world.vm(uuid).memory = 40 * gib;
    world.vm(web).priority = 1;
    world.own(web, "n2");
  }
  void site_comes_back() {
    for (const char* name : {"n1", "n2"}) {
      world.prove(name, EvidenceKind::LaterBoot);
      world.join(name, 2, 2);
      world.live(name).value.units["libvirt"] = {name == NodeName("n1") ? "running" : "starting", 0, ""};
    }
    world.lead("n1").lose("n3");
  }
};

}  // namespace

TEST_CASE("while a VM waits for the host it ran on, its room elsewhere is kept for it") {
  AfterPowerCut it;
  it.world.vm(mail).node_limit = {"n1"};
  it.site_comes_back();
  it.n1.round();
  CHECK_FALSE(it.assign(web));
  CHECK(it.waiting(web) == "waiting for n2, where vm1 ran and which is starting; otherwise it goes to n1");
  CHECK_FALSE(it.assign(mail));
  CHECK(mentions(it.waiting(mail), "n1: 24.0 GiB not promised to others"));

  it.world.live("n2").value.units["libvirt"].state = "running";
  it.n1.round();
  REQUIRE(it.assign(web));
  CHECK(it.assign(web)->record.owner.node == "n2");
  CHECK(it.assign(mail));
}

TEST_CASE("room that is kept for another VM drives none away from the host it ran on") {
  AfterPowerCut it;
  it.world.own(mail, "n1");
  it.site_comes_back();
  it.n1.round();
  CHECK_FALSE(it.assign(web));
  REQUIRE(it.assign(mail));
  CHECK(it.assign(mail)->record.owner.node == "n1");
}

TEST_CASE("a VM whose owner cannot be read is left alone") {
  RecoveryCase it;
  it.world.vm(web);
  it.world.view.broken["/owners/" + web] = "no JSON";
  it.n1.round();
  CHECK_FALSE(it.assign());
  it.world.view.broken.clear();
  it.n1.round();
  CHECK(it.assign());
}

// ---------------------------------------------------------------------------------------------------------- order and
// room

TEST_CASE("the highest priority is placed first, names decide among equals") {
  RecoveryCase it;
  for (int i = 1; i <= 4; ++i) it.world.vm(numbered(i)).priority = i == 3 ? 10 : i == 4 ? -1 : 0;
  it.n1.round();
  std::vector<VmUuid> order;
  for (const AssignVm& act : it.n1.all<AssignVm>()) order.push_back(act.uuid);
  CHECK(order == std::vector<VmUuid>{numbered(3), numbered(1), numbered(2), numbered(4)});
}

TEST_CASE("when there is room for one only, the one with priority gets it and the other waits with the reason (S10)") {
  RecoveryCase it;
  it.world.vm(web).memory = 40 * gib;
  it.world.vm(mail).memory = 40 * gib;
  it.world.vm(mail).priority = 1;
  it.world.vm(web).node_limit = {"n3"};
  it.world.vm(mail).node_limit = {"n3"};
  it.n1.round();
  CHECK(it.assign(mail));
  CHECK_FALSE(it.assign(web));
  CHECK(mentions(it.waiting(web), "n3: 24.0 GiB not promised to others, vm1 needs 40.0 GiB"));
  CHECK(mentions(it.waiting(web), "n1: not in the node limit"));
  CHECK(it.waiting(mail).empty());
}

TEST_CASE("placements of one round see each other: a dead node's VMs are spread (finding F24)") {
  RecoveryCase it;
  for (int i = 1; i <= 4; ++i) {
    it.world.vm(numbered(i)).memory = 30 * gib;
    it.world.own(numbered(i), "n2");
  }
  it.world.node("n2").memory_total = 128 * gib;
  it.world.prove("n2");
  it.n1.round();
  std::map<NodeName, int> count;
  for (const AssignVm& act : it.n1.all<AssignVm>()) ++count[act.record.owner.node];
  CHECK(count == std::map<NodeName, int>{{"n1", 2}, {"n3", 2}});
}

TEST_CASE("what is under way from an earlier round is promised already (finding F24)") {
  RecoveryCase it;
  it.world.vm(web).memory = 40 * gib;
  it.world.vm(web).node_limit = {"n3"};
  it.n1.round();
  REQUIRE(it.assign(web));
  it.world.vm(mail).memory = 40 * gib;
  it.world.vm(mail).node_limit = {"n3"};
  it.n1.round();
  CHECK_FALSE(it.assign(web));  // under way
  CHECK_FALSE(it.assign(mail));
  SECTION("it succeeded, and is counted once") {
    it.world.own(web, "n3");
    it.world.vm(mail).memory = 24 * gib;
    it.n1.round();
    CHECK(it.assign(mail));
  }
  SECTION("it failed: the room is free for whoever comes first") {
    it.world.vm(mail).priority = 1;
    it.n1.done("assign/" + web, Outcome::Refused).round();
    CHECK(it.assign(mail));
    CHECK_FALSE(it.assign(web));
  }
  SECTION("the store gave no answer: it may have been written, until it should have been seen") {
    it.world.vm(mail).priority = 1;
    it.n1.done("assign/" + web, Outcome::Unknown).round();
    CHECK_FALSE(it.assign(mail));
    it.n1.wait(seconds(5));
    it.world.beat_all_but("");
    it.n1.round();
    CHECK(it.assign(mail));
  }
  SECTION("the VM was undefined meanwhile") {
    it.world.view.vms.erase(web);
    it.n1.round();
    CHECK(it.assign(mail));
  }
}

TEST_CASE("an assignment that is seen before its answer came is not decided a second time") {
  RecoveryCase it;
  it.world.vm(web).node_limit = {"n3"};
  it.n1.round();
  REQUIRE(it.assign());
  it.world.own(web, "n3").released = true;  // n3 could not start it, and the store has not answered yet
  it.n1.round();
  CHECK_FALSE(it.assign());
  CHECK(it.n1.memory.assigning.empty());  // nor is its memory promised to what was not planned
  it.n1.done("assign/" + web).round();
  REQUIRE(it.assign());
  CHECK(it.assign()->record.generation == 2);
}

TEST_CASE("the reason to wait goes when it is over, whoever ended it") {
  RecoveryCase it;
  it.world.vm(web).memory = 1000 * gib;
  it.n1.round();
  CHECK(mentions(it.waiting(), "no node can take it now: n1: 64.0 GiB not promised"));
  SECTION("another primary assigned it") { it.world.own(web, "n2"); }
  SECTION("it was undefined") { it.world.view.vms.erase(web); }
  SECTION("it is not wanted any more") { it.world.vm(web).wanted = WantedState::Stopped; }
  SECTION("it fits now") { it.world.vm(web).memory = gib; }
  it.n1.round();
  CHECK(it.waiting().empty());
}

// What the round writes for people about web; nothing: nothing.
TEST_CASE("why a VM waits is written for all nodes when it changes, not with every heartbeat (S10)") {
  RecoveryCase it;
  it.world.vm(web).memory = 1000 * gib;
  const auto told = [&]() -> const TellWaiting* {
    it.n1.refresh().round();
    return it.n1.with_key<TellWaiting>("waiting/" + web);
  };
  const TellWaiting* first = told();
  REQUIRE(first);
  CHECK(first->record->reason == it.waiting());
  CHECK_FALSE(first->replaces);
  it.world.view.waiting[web] = {WaitingRecord{it.waiting()}, 9};
  CHECK_FALSE(told());
  it.world.node("n2").memory_total = 3 * gib;
  CHECK_FALSE(told());  // changed, but too soon
  it.n1.wait(it.n1.settings.waiting_told_interval);
  for (const char* name : {"n1", "n2", "n3"}) it.world.beat(name);
  REQUIRE(told());
  it.world.view.waiting[web] = {WaitingRecord{it.waiting()}, 10};
  it.world.vm(web).memory = gib;
  const TellWaiting* removed = told();
  REQUIRE(removed);
  CHECK_FALSE(removed->record);
  CHECK(removed->replaces == 10);
}

TEST_CASE("a waiting entry of a VM that is gone is removed, one that cannot be read is written over") {
  RecoveryCase it;
  SECTION("gone") {
    it.world.view.waiting[web] = {WaitingRecord{"no room"}, 9};
    it.n1.round();
    REQUIRE(it.n1.with_key<TellWaiting>("waiting/" + web));
    CHECK_FALSE(it.n1.with_key<TellWaiting>("waiting/" + web)->record);
  }
  SECTION("unreadable") {
    it.world.vm(web).memory = 1000 * gib;
    it.world.view.broken["/waiting/" + web] = "no JSON";
    it.n1.round();
    REQUIRE(it.n1.with_key<TellWaiting>("waiting/" + web));
    CHECK(it.n1.with_key<TellWaiting>("waiting/" + web)->replaces == any_version);
  }
}

TEST_CASE("a site without room does not write a reason for every VM in one round") {
  RecoveryCase it;
  for (int i = 0; i < 100; ++i)
    it.world.vm("cccccccc-0000-0000-0000-0000000000" + std::to_string(10 + i)).memory = 1000 * gib;
  CHECK(it.n1.round().all<TellWaiting>().size() == it.n1.settings.waiting_told_at_once);
  CHECK(it.n1.round().all<TellWaiting>().size() == it.n1.settings.waiting_told_at_once);  // the next ones
  it.n1.wait(it.n1.settings.waiting_told_interval);
  it.world.beat_all_but("");
  // What the store does not answer takes nobody's place.
  CHECK(it.n1.round().all<TellWaiting>().size() == it.n1.settings.waiting_told_at_once);
}

TEST_CASE("a VM with local disks waits for its host although that is proven off; its twin on RBD goes on (rule 12)") {
  RecoveryCase it;
  it.world.own(web, "n2");
  it.world.own(mail, "n2");
  it.world.vm(web).disks = {{"vda", DiskKind::Local, "/srv/web.img"}};
  it.world.prove("n2");
  it.n1.round();
  CHECK_FALSE(it.assign(web));
  CHECK(mentions(it.waiting(web), "waiting for n2, which has its local disks: "));
  CHECK(it.assign(mail));
  it.world.join("n2", 2, 2);
  it.n1.round();
  REQUIRE(it.assign(web));
  CHECK(it.assign(web)->record.owner.boot == "boot-n2-2");
}

// -------------------------------------------------------------------------------------------------------------
// maintenance

TEST_CASE("in maintenance VMs of lost nodes wait and say why; afterwards they are recovered (finding F25)") {
  RecoveryCase it;
  it.world.own(web, "n2");
  it.world.prove("n2");
  it.world.maintenance();
  it.n1.round();
  CHECK_FALSE(it.assign());
  CHECK(it.waiting() == "the cluster is in maintenance: VMs of lost nodes are not recovered");
  it.world.maintenance(false);
  it.n1.round();
  CHECK(it.assign());
}

TEST_CASE("in maintenance what people ask for goes on: a VM that is new or was released is started") {
  RecoveryCase it;
  it.world.maintenance();
  SECTION("new") { it.world.vm(web); }
  SECTION("released") { it.world.own(web, "n2").released = true; }
  it.n1.round();
  CHECK(it.assign());
}

TEST_CASE("without a record of the cluster there is no maintenance") {
  World world;
  world.view.cluster.reset();
  CHECK_FALSE(in_maintenance(world.view));
}

TEST_CASE("only the primary assigns and closes") {
  World world;
  world.vm(web);
  world.fence("n1", FencePhase::Intent);
  Coordinator n2{world, "n2"};
  n2.round();
  CHECK(n2.actions.empty());
  world.lead("n2");
  n2.round();
  CHECK(n2.plans("assign/" + web));
}
