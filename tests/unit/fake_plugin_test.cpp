#include <fstream>
#include <sstream>

#include "fake_host.hpp"
#include "plugins/fake/fake.hpp"

namespace pvcd::fake {
namespace {

constexpr const char* uuid = "a1234567-89ab-cdef-a123-456789abcdef";
const std::string key = std::string("domain/") + uuid;

struct Stage {
  Stage() {
    host.values.texts["script"] = folder.path.string();
    plugin.start(host);
  }
  void write(const std::string& name, const std::string& content) { std::ofstream(folder.path / name) << content; }
  std::string read(const std::string& name) {
    std::stringstream text;
    text << std::ifstream(folder.path / name).rdbuf();
    return text.str();
  }

  test::Folder folder;
  test::FakeHost host;
  Fake plugin;
};

}  // namespace

TEST_CASE(
    "fake: a domain lives in its file, through restarts of the plugin, until it is stopped or its file is removed") {
  Stage stage;
  CHECK(stage.host.facts["domains"] == "ready");
  CHECK(stage.plugin.probe({{}, uuid, {}}).state == DomainState::Gone);
  const CreateAnswer created = stage.plugin.create({{}, uuid, "<domain/>", 7});
  CHECK(created.outcome == Outcome::Done);
  CHECK(stage.host.facts[key] == "paused");
  CHECK(stage.plugin.resume({{}, uuid, *created.process}).outcome == Outcome::Done);
  CHECK(stage.host.facts[key] == "running");

  Fake restarted;
  restarted.start(stage.host);
  const DomainProbe probe = restarted.probe({{}, uuid, {}});
  CHECK(probe.state == DomainState::Running);
  CHECK(probe.process == created.process);

  SECTION("destroyed") { CHECK(restarted.destroy({{}, uuid, *created.process}).outcome == Outcome::Done); }
  SECTION("crashed") { std::filesystem::remove(stage.folder.path / ("domain." + std::string(uuid))); }
  restarted.tick();
  CHECK(stage.host.facts[key] == "gone");
  CHECK(restarted.create({{}, uuid, "<domain/>", 8}).process != created.process);
}

TEST_CASE("fake: destroying a former process spares the one that lives") {
  Stage stage;
  const CreateAnswer created = stage.plugin.create({{}, uuid, "<domain/>", 7});
  CHECK(stage.plugin.destroy({{}, uuid, {created.process->pid + 1, 0}}).outcome == Outcome::Done);
  CHECK(stage.plugin.probe({{}, uuid, {}}).state == DomainState::Paused);
}

TEST_CASE("fake: power follows the acts, and the script overrules both") {
  Stage stage;
  const PowerRequest off{{}, "n1", {"n1", "boot-1", 1}, uuid, PowerAct::Off};
  CHECK(stage.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::On);
  CHECK(stage.plugin.read({{}, "n1", "boot-1", uuid}).guid == uuid);
  stage.write("power", "outcome refused\nnote no right\n");
  CHECK(stage.plugin.power(off).note == "no right");
  CHECK(stage.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::On);
  stage.write("power", "");
  CHECK(stage.plugin.power(off).outcome == Outcome::Done);
  CHECK(stage.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::Off);
  CHECK(stage.plugin.read({{}, "n2", "boot-1", uuid}).state == PowerState::On);
  stage.write("read", "state something\n");
  CHECK(stage.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::Unknown);
}

TEST_CASE("fake: hooks answer what the script says and every call is logged") {
  Stage stage;
  VmStart start;
  start.uuid = uuid;
  start.generation = 7;
  CHECK(stage.plugin.before_start(start).verdict == Verdict::Proceed);
  stage.write("before_start", "verdict wait\nwait_ms 1500\nwait_for vms/vm1 10.0.0.1:0/7\nnote a watcher\n");
  const HookVerdict verdict = stage.plugin.before_start(start);
  CHECK(verdict.verdict == Verdict::Wait);
  CHECK(verdict.wait == milliseconds(1500));
  CHECK(verdict.wait_for == std::vector<std::string>{"vms/vm1 10.0.0.1:0/7"});
  CHECK(verdict.reason == "a watcher");
  stage.write("role_change", "outcome nothing-known\n");
  CHECK(stage.plugin.role_change({{0, 3}, CoordinatorState::Relinquish}).outcome == Outcome::Unknown);
  CHECK(stage.read("calls.log") == "start \nbefore_start " + std::string(uuid) + " generation=7\nbefore_start " + uuid +
                                       " generation=7\nrole_change relinquish epoch=3\n");
}

TEST_CASE("fake: an election says what the script says, and what it was asked is logged") {
  Stage stage;
  Elector& elector = stage.plugin;
  ClaimRequest claim;
  claim.self = {"n1", "boot-1", 2};
  claim.expected = {3, "n2", 1};
  CHECK(elector.claim(claim).outcome == Outcome::Done);
  stage.write("claim", "outcome refused\nnote n3 was faster\n");
  CHECK(elector.claim(claim).note == "n3 was faster");
  CHECK(elector.vacate({{0, 4}, claim.self}).outcome == Outcome::Done);
  CHECK(stage.read("calls.log") == "start \nclaim n1 epoch=4\nclaim n1 epoch=4\nvacate n1 epoch=4\n");
}

TEST_CASE("fake: a delay blocks the call, and nonsense in the script is an error") {
  Stage stage;
  stage.write("role_change", "delay_ms 150\n");
  const Instant before = store::boottime_now();
  CHECK(stage.plugin.role_change({{0, 3}, CoordinatorState::Takeover}).outcome == Outcome::Done);
  CHECK(store::boottime_now() >= before + milliseconds(150));
  stage.write("role_change", "delay_ms soon\n");
  CHECK_THROWS_AS(stage.plugin.role_change({{0, 3}, CoordinatorState::Takeover}), Error);
  stage.host.values.texts["script"] = "/nonexistent";
  CHECK_THROWS_AS(Fake().start(stage.host), Error);
}

TEST_CASE("fake: as many OSDs as the script says, one of them down") {
  Stage stage;
  CHECK(stage.plugin.observe({}).outcome == Outcome::Done);
  CHECK(stage.plugin.observe({}).osds.empty());
  stage.write("observe", "osds 3\ndown 1\nnote half of it\n");
  const StorageSurvey survey = stage.plugin.observe({});
  REQUIRE(survey.osds.size() == 3);
  CHECK(survey.osds[1].up == false);
  CHECK(survey.osds[2].up == true);
  CHECK(survey.note == "half of it");
  stage.write("observe", "outcome unknown\nosds 3\n");
  CHECK(stage.plugin.observe({}).osds.empty());
}

}  // namespace pvcd::fake
