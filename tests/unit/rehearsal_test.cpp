#include "logic/rehearsal.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

CoordinatorSettings settings() {
  CoordinatorSettings settings;
  settings.coordinators = {"n1", "n2", "n3"};
  return settings;
}

Rehearsal plan_for(const World& world, const std::string& event) {
  const auto parsed = parse_event(event, world.view);
  REQUIRE(std::holds_alternative<Event>(parsed));
  return rehearse(world.view, {}, std::get<Event>(parsed), settings(), seconds(100));
}

bool notes(const Rehearsal& plan, const std::string& part) {
  for (const std::string& note : plan.notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}

World& ready(World& world, const NodeName& name) {
  world.view.readiness[name] = {ReadinessRecord{world.node(name).boot, true, {}}, 1};
  return world;
}

}  // namespace

TEST_CASE("what is no event is refused with what would be one") {
  World world;
  for (const char* text :
       {"", "fail", "fail node", "fail node ", "drain", "power-loss", "fail node n9", "fail nodes n1,,n2"}) {
    INFO(text);
    const auto parsed = parse_event(text, world.view);
    REQUIRE(std::holds_alternative<std::string>(parsed));
    CHECK(std::get<std::string>(parsed).find("fail node NAME") != std::string::npos);
  }
  CHECK(std::get<Event>(parse_event("fail nodes n1,n2", world.view)).nodes == std::vector<NodeName>{"n1", "n2"});
}

TEST_CASE("an event that names a node again and again is refused: anybody may ask, and each name costs a sentence") {
  World world;
  std::string text = "fail nodes n1,n1";
  CHECK(std::get<std::string>(parse_event(text, world.view)).find("twice") != std::string::npos);
  while (text.size() < 1'000'000) text += ",n1";
  const auto parsed = parse_event(text, world.view);
  REQUIRE(std::holds_alternative<std::string>(parsed));
  CHECK(std::get<std::string>(parsed).find("bytes") != std::string::npos);
  CHECK(std::get<std::string>(parsed).size() < 1000);  // it is not repeated
}

TEST_CASE("a failed node's VMs go elsewhere, the important one first") {
  World world;
  world.own(web, "n3");
  world.own(mail, "n3").generation = 5;
  world.vm(mail).priority = 10;
  const auto plan = plan_for(ready(world, "n3"), "fail node n3");
  REQUIRE(plan.steps.size() == 2);
  CHECK(plan.steps[0].vm == mail);
  CHECK(plan.steps[0].generation == 6);
  CHECK(plan.steps[1].vm == web);
  for (const auto& step : plan.steps) {
    CHECK(step.from == "n3");
    CHECK((step.to == "n1" || step.to == "n2"));
  }
  CHECK(plan.without_place.empty());
  CHECK(plan.notes.empty());
}

TEST_CASE("a coordinator that is down already, or never joined, is not counted") {
  World world;
  SECTION("down") { world.lose("n3"); }
  SECTION("never joined") { world.view.nodes.erase("n3"); }
  CHECK(notes(plan_for(ready(world, "n2"), "fail node n2"), "no majority"));
}

TEST_CASE("a host that is no place for a VM now is none in the plan") {
  World world;
  world.own(web, "n3");
  Sights sights = look(world.view, {}, seconds(100));
  const Event event{Event::Kind::Fail, {"n3"}};
  const auto places = [&] { return rehearse(ready(world, "n3").view, sights, event, settings(), seconds(100)); };
  SECTION("it is flapping") {
    for (const NodeName name : {"n1", "n2"}) sights.at(name).hiccups = {seconds(97), seconds(98), seconds(99)};
  }
  SECTION("it is suspect") {
    for (const NodeName name : {"n1", "n2"}) sights.at(name).first_seen = seconds(90);
  }
  CHECK(places().steps.empty());
  CHECK(places().without_place.size() == 1);
  sights.at("n2") = look(world.view, {}, seconds(100)).at("n2");
  REQUIRE(places().steps.size() == 1);
  CHECK(places().steps[0].to == "n2");
}

TEST_CASE("the primary's own failure is planned too") {
  World world;
  world.own(web, "n1");
  const auto plan = plan_for(ready(world, "n1"), "fail node n1");
  REQUIRE(plan.steps.size() == 1);
  CHECK(plan.steps[0].to != "n1");
}

TEST_CASE("a VM without a place is named with the reason of each node") {
  World world;
  world.own(web, "n3");
  world.vm(web).memory = 60 * gib;
  for (const char* name : {"n1", "n2"}) world.live(name).value.memory_free = 10 * gib;
  const auto plan = plan_for(ready(world, "n3"), "fail node n3");
  CHECK(plan.steps.empty());
  REQUIRE(plan.without_place.size() == 1);
  CHECK(plan.without_place[0].why.find("n1: 10.0 GiB free, vm1 needs 60.0 GiB") != std::string::npos);
}

TEST_CASE("what the plan takes for granted is noted") {
  World world;
  world.own(web, "n3");
  CHECK(notes(plan_for(world, "fail node n3"), "n3 could not be fenced now (not known yet)"));
  world.view.readiness["n3"] = {ReadinessRecord{world.node("n3").boot, false, "wrong password"}, 1};
  CHECK(notes(plan_for(world, "fail node n3"), "n3 could not be fenced now (wrong password)"));
  world.maintenance();
  CHECK(notes(plan_for(ready(world, "n3"), "fail node n3"), "maintenance"));
  CHECK(notes(plan_for(ready(world, "n2"), "fail nodes n2,n3"), "no majority"));
  CHECK(plan_for(world, "fail nodes n1,n2,n3").without_place.size() == 1);
}

TEST_CASE("a drained node keeps nothing and gets nothing") {
  World world;
  world.own(web, "n2");
  world.vm(web).home = "n2";
  const auto plan = plan_for(world, "drain n2");
  REQUIRE(plan.steps.size() == 1);
  CHECK(plan.steps[0].to != "n2");
}

TEST_CASE("a drained node gives its own VMs away and no others, also when it is not there") {
  World world;
  world.own(web, "n2");
  world.own(mail, "n3");
  SECTION("it is there") {}
  SECTION("it is not") { world.view.live.erase({"n2", 1}); }
  const auto plan = plan_for(world, "drain n2");
  REQUIRE(plan.steps.size() == 1);
  CHECK(plan.steps[0].vm == web);
  CHECK(plan.steps[0].from == "n2");
  CHECK(plan.steps[0].to != "n2");
}

TEST_CASE("a VM that never had an owner comes from nowhere") {
  World world;
  world.vm(web);
  const auto plan = plan_for(world, "drain n2");
  REQUIRE(plan.steps.size() == 1);
  CHECK(plan.steps[0].from.empty());
  CHECK(plan.steps[0].generation == 1);
}

TEST_CASE("a node whose session is gone is no survivor; without any each VM that is wanted has no place") {
  World world;
  world.own(web, "n3");
  world.vm(mail, WantedState::Stopped);
  ready(world, "n3").lose("n1");
  CHECK(plan_for(world, "fail node n3").steps.size() == 1);  // n2 is left
  world.lose("n2");
  const auto plan = plan_for(world, "fail node n3");
  CHECK(plan.steps.empty());
  REQUIRE(plan.without_place.size() == 1);
  CHECK(plan.without_place[0].vm == web);
  CHECK(plan.without_place[0].why == "no node is left");
}

TEST_CASE("what is not on record of the cluster and of its leader stops no rehearsal") {
  World world;
  world.own(web, "n3");
  SECTION("the cluster") { world.view.cluster.reset(); }
  SECTION("the leader") { world.view.leader.reset(); }
  CHECK(plan_for(ready(world, "n3"), "fail node n3").steps.size() == 1);
}

TEST_CASE("after a power loss of all every wanted VM runs once") {
  World world;
  world.own(web, "n1");
  world.own(mail, "n2");
  const Event event{Event::Kind::PowerLoss, {}};
  CoordinatorSettings with_needs = settings();
  with_needs.needs.plugins = {"libvirt"};  // that every node starts again
  const auto plan = rehearse(world.view, {}, event, GENERATE_COPY(settings(), with_needs), seconds(100));
  REQUIRE(plan.steps.size() == 2);
  CHECK(plan.steps[0].vm != plan.steps[1].vm);
  CHECK(plan.without_place.empty());
}

TEST_CASE("a rehearsal changes nothing that it looks at") {
  World world;
  world.own(web, "n3");
  const auto owners = world.view.owners;
  const auto nodes = world.view.nodes;
  plan_for(world, "power-loss all");
  CHECK(world.view.owners == owners);
  CHECK(world.view.nodes == nodes);
}
