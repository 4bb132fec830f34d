// What a person asks for and no plugin could do now: each objection has a twin that has none.
#include "logic/ability.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::web;
using test::World;

namespace {

const std::string fencer = "ipmi";

// The fencer runs on all three coordinators, n1 is primary, and n3 is to be fenced.
struct AbilityCase {
  World world;
  CoordinatorSettings settings = test::Coordinator::with_coordinators();

  AbilityCase() {
    settings.storage_fencer = "rbd-locks";
    for (const char* name : {"n1", "n2", "n3"})
      for (const char* plugin : {"ipmi", "rbd-locks", "libvirt", elector_unit}) unit(name, plugin) = {"running", 0, ""};
  }
  UnitReport& unit(const NodeName& node, const std::string& name) { return world.live(node).value.units[name]; }
  AbilityCase& without(const std::string& plugin, const std::vector<NodeName>& nodes) {
    for (const NodeName& node : nodes) world.live(node).value.units.erase(plugin);
    return *this;
  }
  std::string to_fence() const {
    return objection_to_fence(world.view, world.view.nodes.at("n3").value, fencer, settings);
  }
  std::string to_hand_over(const std::vector<NodeName>& to) const {
    return objection_to_handover(world.view, to, settings.needs);
  }
  std::string to_verification() const { return objection_to_verification(world.view, fencer, settings); }
};

}  // namespace

TEST_CASE("a fence needs the fencer where it would be carried out: on the primary") {
  struct Row {
    const char* name;
    std::function<void(AbilityCase&)> bend;
    std::vector<std::string> said;  // empty: it can be tried
  };
  const std::vector<Row> rows = {
      {"all is well", [](AbilityCase&) {}, {}},
      {"absent on others",
       [](AbilityCase& it) {
         it.without(fencer, {"n2", "n3"});
       },
       {}},
      {"absent everywhere",
       [](AbilityCase& it) {
         it.without(fencer, {"n1", "n2", "n3"});
       },
       {"the primary", "on n1 pvcd-ipmi.service does not run", "Start pvcd-ipmi.service"}},
      {"absent on the primary",
       [](AbilityCase& it) { it.without(fencer, {"n1"}); },
       {"on n1 pvcd-ipmi.service does not run", "make a coordinator primary where it runs"}},
      {"stopping",
       [](AbilityCase& it) { it.unit("n1", fencer).state = "shutdown"; },
       {"pvcd-ipmi.service is shutdown"}},
      {"hung",
       [](AbilityCase& it) {
         it.unit("n1", fencer) = {"stalled", 0, "read of n2"};
       },
       {"pvcd-ipmi.service is stalled: read of n2"}},
      {"silent",
       [](AbilityCase& it) { it.unit("n1", fencer).age = it.settings.needs.silent_after + 1; },
       {"pvcd-ipmi.service has not reported"}},
      {"not silent for long", [](AbilityCase& it) { it.unit("n1", fencer).age = it.settings.needs.silent_after; }, {}},
      {"a core that is away is replaced", [](AbilityCase& it) { it.without("core", {"n1"}); }, {}},
      {"no primary, and one that may become it has the fencer",
       [](AbilityCase& it) {
         it.world.vacate();
         it.without(fencer, {"n1", "n3"});
       },
       {}},
      {"no primary, and none has it",
       [](AbilityCase& it) {
         it.world.vacate();
         it.without(fencer, {"n1", "n2", "n3"});
       },
       {"there is no primary", "on n1 pvcd-ipmi", "on n2 pvcd-ipmi", "on n3 pvcd-ipmi"}},
      {"no primary, and who has it is lost",
       [](AbilityCase& it) {
         it.world.vacate().lose("n2");
         it.without(fencer, {"n1", "n3"});
       },
       {"on n1 pvcd-ipmi", "on n3 pvcd-ipmi"}},
      {"no primary, and who has it is no node of the cluster yet",
       [](AbilityCase& it) {
         it.world.vacate();
         it.settings.coordinators = {"n1", "n2", "n9"};
         it.without(fencer, {"n1", "n2"});
       },
       {"on n1 pvcd-ipmi", "on n2 pvcd-ipmi"}},
      {"the primary's new life is not seen yet: it is no plugin that is missing",
       [](AbilityCase& it) {
         it.without(fencer, {"n1", "n2", "n3"});
         ++it.world.node("n1").incarnation;
       },
       {}},
      {"nobody lives: it is no plugin that is missing",
       [](AbilityCase& it) {
         for (const char* name : {"n1", "n2", "n3"}) it.world.lose(name);
         it.without(fencer, {"n1", "n2", "n3"});
       },
       {}},
  };
  for (const Row& row : rows) {
    AbilityCase it;
    row.bend(it);
    INFO(row.name << ": " << it.to_fence());
    CHECK(it.to_fence().empty() == row.said.empty());
    for (const std::string& said : row.said) CHECK_THAT(it.to_fence(), Catch::Contains(said));
    CHECK(it.to_verification() == it.to_fence());
  }
}

TEST_CASE("a lost host may be fenced without a fencer, if Ceph or its watchdog can prove it; its BMC cannot be asked") {
  AbilityCase it;
  it.without(fencer, {"n1", "n2", "n3"});
  it.world.own(web, "n3");
  CHECK_FALSE(it.to_fence().empty());  // it lives
  it.world.lose("n3");
  CHECK(it.to_fence().empty());
  CHECK_FALSE(it.to_verification().empty());
  SECTION("not if nothing guards the disks") {
    it.without("rbd-locks", {"n1"});
    CHECK_THAT(it.to_fence(), Catch::Contains("pvcd-ipmi.service does not run"));
    it.world.live("n3").value.self_fence = SelfFence{true, seconds(4), seconds(10), ""};
    CHECK(it.to_fence().empty());
    it.world.live("n3").value.self_fence->armed = false;
    CHECK_FALSE(it.to_fence().empty());
    it.world.live("n3").value.self_fence->armed = true;
    it.world.view.live.erase({"n3", 1});  // nobody knows of a watchdog
    CHECK_FALSE(it.to_fence().empty());
  }
  SECTION("not if no disk of it is in Ceph") {
    it.world.vm(web).disks.front().kind = DiskKind::Local;
    CHECK_FALSE(it.to_fence().empty());
  }
  SECTION("not if no host is ever shut out of Ceph") {
    it.settings.storage_fencer.clear();
    CHECK_FALSE(it.to_fence().empty());
  }
  SECTION("who is primary next, when it was the primary") {
    it.world.vacate();
    CHECK(it.to_fence().empty());
    it.without("rbd-locks", {"n1", "n2"});
    CHECK_FALSE(it.to_fence().empty());
  }
}

TEST_CASE("what is proven already needs no fencer") {
  AbilityCase it;
  it.without(fencer, {"n1", "n2", "n3"});
  it.world.prove("n3");
  CHECK(it.to_fence().empty());
}

TEST_CASE("the role is handed over only where its holder's elector and one of those who may take it run") {
  struct Row {
    const char* name;
    std::function<void(AbilityCase&)> bend;
    std::vector<NodeName> to;
    std::vector<std::string> said;  // empty: it can be tried
  };
  const std::vector<NodeName> others = {"n2", "n3"};
  const std::vector<Row> rows = {
      {"all is well, to one", [](AbilityCase&) {}, {"n2"}, {}},
      {"all is well, to anybody", [](AbilityCase&) {}, others, {}},
      {"to the primary itself",
       [](AbilityCase& it) {
         it.without(elector_unit, {"n2", "n3"});
       },
       {"n1"},
       {}},
      {"the holder could not give it back",
       [](AbilityCase& it) { it.without(elector_unit, {"n1"}); },
       {"n2"},
       {"could not give the role back", "on n1 pvcd-election.service does not run", "Start pvcd-election.service"}},
      {"who is to take it could not claim",
       [](AbilityCase& it) { it.without(elector_unit, {"n2"}); },
       {"n2"},
       {"nobody could take the role", "on n2 pvcd-election.service does not run", "Start pvcd-election.service"}},
      {"one of the others could", [](AbilityCase& it) { it.without(elector_unit, {"n2"}); }, others, {}},
      {"none of the others could",
       [](AbilityCase& it) {
         it.without(elector_unit, {"n2", "n3"});
       },
       others,
       {"on n2 pvcd-election", "on n3 pvcd-election"}},
      {"who could is lost",
       [](AbilityCase& it) { it.without(elector_unit, {"n2"}).world.lose("n3"); },
       others,
       {"on n2 pvcd-election"}},
      {"it hangs", [](AbilityCase& it) { it.unit("n2", elector_unit).state = "stalled"; }, {"n2"}, {"is stalled"}},
      {"it is silent",
       [](AbilityCase& it) { it.unit("n2", elector_unit).age = it.settings.needs.silent_after + 1; },
       {"n2"},
       {"has not reported"}},
      {"nobody lives there: it is no plugin that is missing",
       [](AbilityCase& it) { it.without(elector_unit, {"n2"}).world.lose("n2"); },
       {"n2"},
       {}},
      {"the holder is lost: somebody else will have the role soon",
       [](AbilityCase& it) { it.without(elector_unit, {"n1"}).world.lose("n1"); },
       {"n2"},
       {}},
      {"the holder's new life is not seen yet: it is no plugin that is missing",
       [](AbilityCase& it) {
         it.without(elector_unit, {"n1"});
         ++it.world.node("n1").incarnation;
       },
       {"n2"},
       {}},
      {"there is no primary: who is asked for must be able to claim",
       [](AbilityCase& it) {
         it.without(elector_unit, {"n1", "n2"}).world.vacate();
       },
       {"n2"},
       {"on n2 pvcd-election"}},
  };
  for (const Row& row : rows) {
    AbilityCase it;
    row.bend(it);
    const std::string no = it.to_hand_over(row.to);
    INFO(row.name << ": " << no);
    CHECK(no.empty() == row.said.empty());
    for (const std::string& said : row.said) CHECK_THAT(no, Catch::Contains(said));
  }
}

namespace {

// web is stopped, and may run on n1 and n2.
struct StoppedVm : AbilityCase {
  UnitNeeds needs{{"libvirt", "rbd-locks"}, seconds(10)};

  StoppedVm() { world.vm(web, WantedState::Stopped).node_limit = {"n1", "n2"}; }
  std::string to_start() { return objection_to_start(world.view, world.vm(web), needs); }
  std::string to_restart() { return objection_to_restart(world.view, world.vm(web), needs); }
  std::string to_stop() { return objection_to_stop(world.view, world.vm(web), needs); }
  std::string to_move() { return objection_to_move(world.view, world.vm(web), needs); }
};

}  // namespace

TEST_CASE("a start needs the hypervisor and the hooks on one living node on which the VM may run") {
  struct Row {
    const char* name;
    std::function<void(StoppedVm&)> bend;
    std::vector<std::string> said;  // empty: it can be tried
  };
  const std::vector<Row> rows = {
      {"all is well", [](StoppedVm&) {}, {}},
      {"one is left",
       [](StoppedVm& it) {
         it.without("libvirt", {"n1", "n3"});
       },
       {}},
      {"none is left that may run it",
       [](StoppedVm& it) { it.without("libvirt", {"n1"}).without("rbd-locks", {"n2"}); },
       {"on n1 pvcd-libvirt.service does not run", "on n2 pvcd-rbd-locks.service does not run"}},
      {"nor lives",
       [](StoppedVm& it) {
         it.without("libvirt", {"n1"});
         it.world.lose("n2");
       },
       {"on n1 pvcd-libvirt.service"}},
      {"nobody lives: it is no plugin that is missing",
       [](StoppedVm& it) {
         it.without("libvirt", {"n1", "n2"});
         it.world.lose("n1").lose("n2");
       },
       {}},
      {"it may run anywhere, and the third has all",
       [](StoppedVm& it) {
         it.world.vm(web).node_limit.clear();
         it.without("libvirt", {"n1", "n2"});
       },
       {}},
      {"it may run anywhere, and nobody has all",
       [](StoppedVm& it) {
         it.world.vm(web).node_limit.clear();
         it.without("libvirt", {"n1", "n2", "n3"});
       },
       {"on n1 pvcd-libvirt.service", "on n2 pvcd-libvirt.service", "on n3 pvcd-libvirt.service"}},
      {"a core that is away comes back",
       [](StoppedVm& it) {
         it.without("core", {"n1", "n2"});
       },
       {}},
      {"its local disks are elsewhere",
       [](StoppedVm& it) {
         it.world.vm(web).disks.front().kind = DiskKind::Local;
         it.world.vm(web).home = "n1";
         it.without("libvirt", {"n1"});
       },
       {"on n1 pvcd-libvirt.service"}},
      {"a living owner has not given it back",
       [](StoppedVm& it) {
         it.world.own(web, "n1");
         it.without("libvirt", {"n1"});
       },
       {"is on n1, where pvcd-libvirt.service does not run"}},
      {"its owner is proven dead",
       [](StoppedVm& it) {
         it.world.own(web, "n1");
         it.without("libvirt", {"n1"});
         it.world.prove("n1");
       },
       {}},
      {"its owner is proven dead, and its session is still seen",
       [](StoppedVm& it) {
         it.world.own(web, "n1");
         it.without("libvirt", {"n1"});
         it.world.prove("n1");
         it.world.live("n1").session = true;
       },
       {}},
      {"its owner has released it",
       [](StoppedVm& it) {
         it.world.own(web, "n1").released = true;
         it.without("libvirt", {"n1"});
       },
       {}},
  };
  for (const Row& row : rows) {
    StoppedVm it;
    row.bend(it);
    INFO(row.name << ": " << it.to_start());
    CHECK(it.to_start().empty() == row.said.empty());
    for (const std::string& said : row.said) CHECK_THAT(it.to_start(), Catch::Contains(said));
    CHECK(it.to_restart() == it.to_start());
    CHECK(it.to_move().empty());  // it is stopped: only its home changes
    it.world.vm(web).wanted = WantedState::Running;
    CHECK(it.to_start().empty());  // nothing would change
  }
}

TEST_CASE("a VM is stopped, shut down or disabled only where its hypervisor runs; a hook is not waited for") {
  StoppedVm it;
  it.without("libvirt", {"n1"});
  CHECK(it.to_stop().empty());  // it is nowhere
  it.world.own(web, "n1");
  CHECK(it.to_stop().empty());  // and was never started
  it.world.run(web).generation = 0;
  CHECK(it.to_stop().empty());  // or is not since then
  it.world.run(web).process.reset();
  CHECK(it.to_stop().empty());
  it.world.run(web);
  CHECK_THAT(it.to_stop(), Catch::Contains("is on n1, where pvcd-libvirt.service does not run. Start it there"));
  it.world.view.owners.at(web).value.released = true;
  CHECK(it.to_stop().empty());
  it.world.view.owners.at(web).value.released = false;
  it.world.lose("n1");
  CHECK(it.to_stop().empty());  // the job says that it is out of reach, or waits for the evidence

  StoppedVm twin;
  twin.world.own(web, "n1");
  twin.world.run(web);
  twin.without("rbd-locks", {"n1"}).without("libvirt", {"n2", "n3"});
  CHECK(twin.to_stop().empty());
  twin.needs.plugins.clear();
  twin.without("libvirt", {"n1"});
  CHECK(twin.to_stop().empty());
}

TEST_CASE("a running VM is moved or restarted only where it can be stopped") {
  StoppedVm it;
  it.world.vm(web).wanted = WantedState::Running;
  it.world.own(web, "n1");
  CHECK(it.to_move().empty());
  CHECK(it.to_restart().empty());
  it.without("libvirt", {"n1"});
  CHECK_THAT(it.to_move(), Catch::Contains("is on n1, where pvcd-libvirt.service does not run"));
  CHECK(it.to_restart() == it.to_move());
  it.world.lose("n1");
  CHECK(it.to_move().empty());  // the job says that it is out of reach
}
