// A round that is kept is decided again as it was, whatever was seen, remembered and answered; and what was changed in
// it is told.
#include "core/rounds.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "core/round_fields.hpp"
#include "sdk/plugin.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::core;
using logic::test::mail;
using logic::test::web;
using nlohmann::json;

namespace {

const Decider decider{"n1", 1700000000000000};

// What is written and what a person asks about later stand in one transaction, once (S7).
std::vector<Carried> each_with_its_record(std::vector<Carried> steps) {
  for (const Carried& step : steps) {
    const Changes changes = step.changes.value_or(Changes());
    std::vector<DecisionRecord> records;
    for (const Change& change : changes)
      if (const auto* append = std::get_if<Append>(&change); append && append->kind == Kind::Decision)
        records.push_back(std::get<DecisionRecord>(append->record));
    CHECK(records.size() == (step.stored ? 1 : 0));
    if (!step.stored) continue;
    CHECK(records.front() == *step.record);
    CHECK_FALSE((step.record->what.empty() || step.record->because.empty() || step.record->node.empty()));
  }
  return steps;
}

// The round that the helper is about to play, as it would be kept.
std::string next_round(const logic::test::Coordinator& it) {
  const logic::CoordinatorInput in{it.world.view, it.world.life(it.name), it.is_primary(), it.may_act, it.now,
                                   it.answers};
  const auto plan = logic::decide_coordinator(in, it.settings, it.memory);
  return round_text(in, it.settings, it.memory, plan, decider, each_with_its_record(carried(plan, in.view, decider)));
}

std::string next_round(const logic::test::Agent& it) {
  const logic::AgentInput in{it.world.view, it.world.life("n2"), {"10.0.0.2"}, it.may_act, it.stopping,
                             it.domains,    it.domains_ready,    it.images,    it.now,     it.answers};
  const auto plan = logic::decide_agent(in, it.settings, it.memory);
  return round_text(in, it.settings, it.memory, plan, decider, each_with_its_record(carried(plan, in.view, decider)));
}

void put(logic::test::Agent& it, logic::AgentResult result) {
  it.answers.push_back({web, std::move(result)});
  CHECK(replay(next_round(it)).empty());
  it.round();
}

// A primary that has a dead node, a VM to move, a job and a VM that has to wait.
struct Busy {
  logic::test::World world;
  logic::test::Coordinator n1{world};

  Busy() {
    world.own(web, "n2", 4);
    world.run(web);
    world.vm(mail, WantedState::Running, 500 * logic::test::gib);
    world.job(5, "node-verify-fence", "n3");
    world.view.broken["/vms/x"] = "key 'uuid' is missing";
    n1.round().refresh();
    world.prove("n2").facts = {"its BMC reads off", "\xc3\xbc"};
  }
};

std::string told(const std::string& text, const std::string& pointer, const json& value) {
  json whole = json::parse(text);
  REQUIRE(whole.contains(json::json_pointer(pointer)));
  whole[json::json_pointer(pointer)] = value;
  return replay(whole.dump());
}

std::string refusal(const std::string& text) try { return "it differs: " + replay(text); } catch (const Error& error) {
  return error.what();
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("what the coordinator decides while a node is lost, fenced and replaced is decided again as it was") {
  logic::test::World world;
  logic::test::Coordinator n1{world};
  world.own(web, "n2");
  world.run(web);
  const auto play = [&] {
    CHECK(replay(next_round(n1)).empty());
    n1.round();
  };
  play();
  world.lose("n2");
  n1.refresh().wait(seconds(20));
  play();
  n1.refresh().read("n2", PowerState::On, "it reads on");
  play();
  world.fence("n2", FencePhase::Acting).by = "n1";
  n1.refresh().wait(seconds(1));
  play();
  n1.off_answer("n2", Outcome::Done).refresh().wait(seconds(1));
  play();
  n1.read("n2", PowerState::Off).refresh().wait(seconds(1));
  play();
  CHECK(n1.memory.power.contains("n2"));
  world.prove("n2");
  world.beat_all_but("n2");
  n1.refresh();
  play();
  CHECK(n1.plans("assign/" + web));
}

TEST_CASE(
    "what the agent decides from the first look to a running VM, a crash and a release is decided again as it was") {
  logic::test::Agent it;
  it.world.own(web, "n2", 3).former = {{it.world.life("n3"), 2, {"10.0.0.3"}, {}, CoverKind::Power}};
  CHECK(replay(next_round(it)).empty());
  it.round();
  put(it, DomainProbe{DomainState::Gone, std::nullopt, ""});
  put(it, HookVerdict{
              Verdict::Wait, "its watch may still run out", seconds(3), {"vms/disk1 10.0.0.3:0/3"}, "", false, {}, {}});
  while (!it.plans<logic::RunHook>()) {
    if (it.plans<logic::WriteRun>()) it.show(*it.plans<logic::WriteRun>()), put(it, logic::Written{true, ""});
    if (it.plans<logic::Probe>()) put(it, DomainProbe{DomainState::Gone, std::nullopt, ""});
    if (it.idle()) it.wait(seconds(1));
  }
  put(it,
      HookVerdict{Verdict::Proceed, "", 0, {}, "", false, {{"vms/disk1", "10.0.0.3:0/3"}}, {{"/net/vms", "abc-1-2"}}});
  it.domains[web] = DomainState::Paused;
  put(it, CreateAnswer{Outcome::Done, logic::test::qemu, ""});
  put(it, Identified{Outcome::Done, {logic::test::instance}, ""});
  it.show(*it.plans<logic::WriteRun>());
  put(it, logic::Written{true, ""});
  it.domains[web] = DomainState::Running;
  put(it, Answer{Outcome::Done, ""});
  it.show(*it.plans<logic::WriteRun>());
  put(it, logic::Written{true, ""});
  it.domains[web] = DomainState::Gone;
  CHECK(replay(next_round(it)).empty());
  it.round();
  it.world.vm(web).wanted = WantedState::Stopped;
  while (it.plans<logic::Probe>()) put(it, DomainProbe{DomainState::Gone, std::nullopt, ""});
  REQUIRE(it.plans<logic::AfterStop>());
  put(it, Answer{Outcome::Done, ""});
  REQUIRE(it.plans<logic::WriteRun>());
  CHECK(it.plans<logic::WriteRun>()->owner->released);
}

TEST_CASE("a claim is decided again as it was, with the record that its transaction writes") {
  logic::test::World world;
  world.lose("n1");
  const logic::ElectionSettings settings{{"n1", "n2", "n3"}, seconds(10), seconds(5), seconds(12), seconds(6)};
  const logic::ElectionMemory before{true, seconds(90), seconds(99), 1, false, seconds(80), {{"n3", {4, seconds(98)}}}};
  const logic::ElectionInput in{world.view, world.life("n2"), seconds(100)};
  const auto plan = logic::decide_election(in, settings, before);
  REQUIRE(plan.claim);
  const std::string text = round_text(in, settings, before, plan, decider, carried(plan, in.view, decider));
  CHECK(replay(text).empty());
  CHECK(json::parse(text).at("records").size() == 1);
  CHECK_FALSE(told(text, "/input/view/leader/version", 99).empty());
  CHECK_FALSE(told(text, "/input/self/node", "n9").empty());
  CHECK_FALSE(told(text, "/memory/vacant", false).empty());
  CHECK_FALSE(told(text, "/records/0/what", "n3 takes the role of primary at epoch 8").empty());
}

TEST_CASE("a decision names the jobs that come of it") {
  logic::AgentPlan plan;
  plan.actions.push_back(
      {web, logic::AskRelease{"n2", web}, {"ask n2 to release the images of web1", "it lives", {}, {}}});
  const auto steps = each_with_its_record(carried(plan, logic::test::World().view, decider));
  REQUIRE(steps.size() == 1);
  CHECK(steps.front().stored);
  CHECK(steps.front().record->follow_up == std::vector<std::string>{"node-release-images n2"});
}

TEST_CASE("everything that is seen survives the text") {
  Busy it;
  it.world.fence("n3", FencePhase::Intent);
  it.world.view.waiting[mail] = {WaitingRecord{"no room"}, 2};
  it.world.view.readiness["n3"] = {ReadinessRecord{"boot-n3-1", true, ""}, 2};
  it.world.view.roles["n3"] = {RoleRecord{}, 2};
  it.world.live("n3").value.cpu_load = 0.1;
  const json first = store::as_json(it.world.view);
  logic::ClusterView again;
  store::read_json(first, again);
  CHECK(store::as_json(again).dump() == first.dump());
  CHECK(again.live == it.world.view.live);
}

TEST_CASE("what was changed in a round is told with its place") {
  Busy it;
  const std::string text = next_round(it.n1);
  REQUIRE(replay(text).empty());
  const json whole = json::parse(text);
  REQUIRE(whole.at("records").size() > 1);

  struct Forgery {
    std::string place;
    json value;
  };
  const std::string assign = "/input/view/owners/" + web;
  const std::vector<Forgery> forgeries = {
      {"/node", "n9"},
      {"/time", 5},
      {"/input/now", 5},
      {"/input/may_act", false},
      {"/input/primary", false},
      {"/input/self/node", "n3"},
      {"/input/view/leader/version", 99},
      {"/input/view/leader/value/epoch", 8},
      {assign + "/version", 99},
      {assign + "/value/generation", 7},
      {assign + "/value/owner/boot", "boot-n2-9"},
      {"/input/view/evidence/boot-n2-1/value/kind", "operator"},
      {"/input/view/complete", false},
      {"/input/view/vms/" + web + "/value/name", "other"},
      {"/memory/under_way", {"assign/" + web}},
      {"/memory/sights/n3/first_seen", 5},
      {"/settings/needs/plugins", {"libvirt"}},
      {"/plan/actions/0/why/what", "something else"},
      {"/plan/next/under_way", json::array()},
      {"/records/0/because", "something else"},
      {"/records/0/inputs", {"/leader@5"}},
  };
  for (const Forgery& forgery : forgeries) {
    INFO(forgery.place);
    CHECK_FALSE(told(text, forgery.place, forgery.value).empty());
  }
  CHECK(mentions(told(text, "/records/0/because", "because I say so"),
                 "/records/0/because was \"because I say so\" and is decided as "));
}

TEST_CASE("what is no round says so") {
  Busy it;
  json whole = json::parse(next_round(it.n1));
  CHECK(mentions(refusal(""), "it is no round that pvcd has kept"));
  CHECK(mentions(refusal("{}"), "it is no round that pvcd has kept"));
  CHECK(mentions(refusal("[]"), "it is no round that pvcd has kept"));
  json other = whole;
  other["pvcd_round"] = 2;
  CHECK(mentions(refusal(other.dump()), "of another format"));
  other = whole;
  other["role"] = "fencer";
  CHECK(mentions(refusal(other.dump()), "nobody decides as 'fencer'"));
  other = whole;
  other["memory"].erase("sights");
  CHECK(mentions(refusal(other.dump()), "'memory.sights' is missing"));
  other = whole;
  other["input"]["answers"] = {{9, nullptr}};
  CHECK(mentions(refusal(other.dump()), "is none of the alternatives"));
}

// --------------------------------------------------------------------------------------------------------------- files

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/pvcd-rounds-XXXXXX";
    path = std::string(mkdtemp(name)) + "/decisions";
  }
  ~Folder() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }

  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path)) names.insert(entry.path().filename());
    return names;
  }
  std::string content(const std::string& name) const {
    std::ifstream file(path + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

void keep(Rounds& rounds, const logic::test::Coordinator& it) {
  const logic::CoordinatorInput in{it.world.view, it.world.life(it.name), it.is_primary(), it.may_act, it.now,
                                   it.answers};
  const auto plan = logic::decide_coordinator(in, it.settings, it.memory);
  rounds.keep(in, it.settings, it.memory, plan, decider, carried(plan, in.view, decider));
}

}  // namespace

TEST_CASE("the newest 500 rounds that decided something are kept, over restarts") {
  Folder folder;
  Busy it;
  {
    Rounds rounds(folder.path);
    for (int i = 0; i < 499; ++i) keep(rounds, it.n1);
    CHECK(folder.files().size() == 499);
  }
  Rounds rounds(folder.path);
  for (int i = 0; i < 3; ++i) keep(rounds, it.n1);
  const auto files = folder.files();
  CHECK(files.size() == 500);
  CHECK(*files.begin() == "0000000002.json");
  CHECK(*files.rbegin() == "0000000501.json");
  CHECK(replay(folder.content("0000000501.json")).empty());
  CHECK(folder.content("0000000501.json") == next_round(it.n1));
}

TEST_CASE("a round without a decision is not kept, nor one of a very large cluster") {
  Folder folder;
  Rounds rounds(folder.path);
  Busy it;
  keep(rounds, it.n1);
  REQUIRE(folder.files().size() == 1);
  it.n1.may_act = false;
  keep(rounds, it.n1);
  CHECK(folder.files().size() == 1);
  it.n1.may_act = true;
  SECTION("too much XML") {
    for (auto& each : it.world.view.vms) each.second.value.xml.clear();
    std::string& too_much = it.world.view.vms.at(web).value.xml;
    too_much.assign(512 * 1024, 'x');
    keep(rounds, it.n1);
    CHECK(folder.files().size() == 2);
    too_much += 'x';
    keep(rounds, it.n1);
    CHECK(folder.files().size() == 2);
  }
  SECTION("too many entries") {
    for (int i = 0; i < 1000; ++i) it.world.view.waiting["vm-" + std::to_string(i)] = {WaitingRecord{"no room"}, 1};
    keep(rounds, it.n1);
    CHECK(folder.files().size() == 1);
  }
}

TEST_CASE("a folder that cannot be written stops nothing, and is written again when it can be") {
  Folder folder;
  std::ofstream(folder.path) << "a file is in the way";
  Rounds rounds(folder.path);
  Busy it;
  keep(rounds, it.n1);
  keep(rounds, it.n1);
  std::filesystem::remove(folder.path);
  keep(rounds, it.n1);
  CHECK(folder.files().size() == 1);
}
