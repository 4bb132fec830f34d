// Views that no sane cluster ever shows, hundreds of rounds on end: records of nodes and VMs that do not exist, numbers
// at both ends, memories of another view. Whatever comes, the logic answers, and never plans what its rules forbid.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <set>
#include <tuple>

#include "logic/agent.hpp"
#include "logic/election.hpp"
#include "logic/explain.hpp"
#include "logic/jobs.hpp"
#include "logic/placement.hpp"
#include "logic/rehearsal.hpp"
#include "logic/waiting.hpp"

namespace pvcd::logic {
namespace {

constexpr unsigned seeds = 1500, seeds_for_rare_acts = 10 * seeds, rounds = 90;
constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();  // that a record can hold

const std::vector<std::string> names = {"n1", "n2", "n3", "n4", "", "no such node"};
const std::vector<std::string> boots = {"boot-1", "boot-2", "boot-3", "", "boot-of-nobody"};
const std::vector<std::string> uuids = {"vm-1", "vm-2", "vm-3", "", "vm-of-nobody"};
const std::vector<NodeName> coordinators = {"n1", "n2", "n3"};
const std::vector<std::string> hooks = {"locks", "other"};

struct Dice {
  std::mt19937_64 engine;

  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(engine); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  // Mostly what lets things go on, or nothing would ever come far.
  template <class Enum>
  Enum mostly(Enum one, Enum last) {
    return one_in(3) ? upto(last) : one;
  }
  const std::string& any(const std::vector<std::string>& words) { return words[below(words.size())]; }
  template <class Enum>
  Enum upto(Enum last) {
    return static_cast<Enum>(below(static_cast<std::size_t>(last) + 1));
  }
  std::uint64_t number() { return one_in(6) ? (one_in(2) ? largest : below(largest)) : below(4); }
  Version version() { return static_cast<Version>(below(3)); }
  std::vector<std::string> some(const std::vector<std::string>& words) {
    std::vector<std::string> chosen;
    while (!one_in(2)) chosen.push_back(any(words));
    return chosen;
  }
  Life life() { return {any(names), any(boots), number()}; }
  std::optional<Process> process() {
    return one_in(2) ? std::nullopt : std::optional(Process{static_cast<std::int64_t>(number()), number()});
  }
  std::vector<FileSystem> file_systems() {
    return one_in(2) ? std::vector<FileSystem>{{"/net/vms", any(names)}} : std::vector<FileSystem>();
  }
  std::vector<ClientInstance> instances() {
    std::vector<ClientInstance> list;
    while (!one_in(2)) list.push_back({any(uuids), any(names)});
    return list;
  }
};

// Keys agree with what the records name: a view with others is never composed.
class Chaos {
 public:
  explicit Chaos(std::uint64_t seed) : dice{std::mt19937_64{seed}} {
    for (int i = 0; i < 60; ++i) change();
  }

  // One entry comes, changes or goes.
  void change() {
    view.complete = !dice.one_in(20);
    switch (dice.below(13)) {
      case 0:
        view.cluster = Seen<ClusterRecord>{{"id", "lab", dice.one_in(3)}, dice.version()};
        if (dice.one_in(3)) view.cluster.reset();
        return;
      case 1:
        return put_leader();
      case 2:
        return put(view.nodes, dice.any(names), [&](const auto& name) { return node(name); });
      case 3:
        return put_live();
      case 4:
        return put(view.readiness, dice.any(names), [&](const auto&) {
          return ReadinessRecord{dice.any(boots), dice.one_in(2), "note"};
        });
      case 5:
        return put(view.vms, dice.any(uuids), [&](const auto& uuid) { return vm(uuid); });
      case 6:
      case 7:
        return put(view.owners, dice.any(uuids), [&](const auto&) { return owner(); });
      case 8:
        return put(view.runs, dice.any(uuids), [&](const auto&) {
          return RunRecord{dice.number(),   dice.life(),   dice.upto(VmState::Failed), dice.process(), dice.instances(),
                           dice.any(names), dice.number(), dice.file_systems()};
        });
      case 9:
        return put(view.fences, dice.any(names), [&](const auto& name) { return fence(name); });
      case 10:
        return put(view.evidence, dice.any(boots), [&](const auto& boot) {
          return EvidenceRecord{dice.upto(EvidenceKind::Watchdog),
                                {dice.any(names), boot, dice.number()},
                                dice.any(names),
                                dice.number(),
                                {},
                                {dice.any(names)}};
        });
      case 11:
        return put(view.jobs, dice.below(6), [&](std::uint64_t id) { return job(id); });
      case 12:
        return put_broken();
    }
  }

  Dice dice;
  ClusterView view;

 private:
  template <class Map, class Make>
  void put(Map& map, const typename Map::key_type& key, Make make) {
    if (dice.one_in(4))
      map.erase(key);
    else
      map[key] = {make(key), dice.version()};
  }

  NodeRecord node(const NodeName& name) {
    NodeRecord record;
    record.name = name;
    record.boot = dice.any(boots);
    record.incarnation = dice.number();
    record.system_uuid = dice.any(names);
    record.storage_addresses = dice.one_in(2) ? std::vector{"10.0.0." + name} : dice.some(names);
    record.memory_total = dice.one_in(4) ? dice.number() : largest;
    return record;
  }

  void put_live() {
    const NodeName& name = dice.any(names);
    auto known = view.nodes.find(name);
    const Incarnation incarnation =
        known == view.nodes.end() || dice.one_in(4) ? dice.number() : known->second.value.incarnation;
    if (dice.one_in(5)) {
      view.live.erase({name, incarnation});
      return;
    }
    Live live;
    live.value.node = name;
    live.value.boot = dice.any(boots);
    live.value.incarnation = incarnation;
    live.value.counter = dice.number();
    live.value.daemon_state = dice.mostly(DaemonState::Run, DaemonState::Fenced);
    const std::uint64_t number = live.value.counter;  // it decides, without another throw of the dice
    if (number % 4 == 0) live.value.self_fence = SelfFence{number % 8 == 0, number, number, "note"};
    if (number % 4 == 1) live.value.may_sleep = "note";
    live.value.memory_free = dice.one_in(4) ? dice.number() : largest;
    if (!dice.one_in(8)) live.value.units["core"] = {dice.one_in(8) ? "stalled" : "running", dice.number(), ""};
    live.version = dice.version();
    live.session = !dice.one_in(4);
    view.live[{name, incarnation}] = live;
  }

  // Mostly of somebody who is there, or nobody would ever decide anything.
  void put_leader() {
    view.leader = Seen<LeaderRecord>{{dice.number(), dice.any(names), dice.number()}, dice.version()};
    for (const auto& [key, live] : view.live)
      if (dice.one_in(2)) std::tie(view.leader->value.node, view.leader->value.incarnation) = key;
    if (dice.one_in(10)) view.leader.reset();
  }

  VmRecord vm(const VmUuid& uuid) {
    VmRecord record;
    record.uuid = uuid;
    record.name = "name of " + uuid;
    record.wanted = dice.mostly(WantedState::Running, WantedState::Disabled);
    record.off_at_once = dice.one_in(4);
    record.home = dice.any(names);
    record.node_limit = dice.one_in(3) ? dice.some(names) : std::vector<NodeName>{};
    record.priority = dice.one_in(5) ? std::numeric_limits<std::int32_t>::min() : static_cast<int>(dice.below(3));
    record.memory = dice.number();
    if (dice.one_in(2)) record.disks.push_back({"vda", dice.upto(DiskKind::Local), dice.any(uuids)});
    return record;
  }

  OwnerRecord owner() {
    OwnerRecord record;
    record.generation = dice.number();
    record.owner = dice.life();
    for (const auto& [name, known] : view.nodes)
      if (dice.one_in(2)) record.owner = {name, known.value.boot, known.value.incarnation};
    record.storage_addresses = dice.some(names);
    record.released = dice.one_in(4);
    record.epoch = dice.number();
    if (dice.one_in(2)) record.failed_on = dice.some(names);
    while (dice.one_in(2))
      record.former.push_back(
          {dice.life(), dice.number(), dice.some(names), dice.instances(), dice.upto(CoverKind::Watchdog)});
    return record;
  }

  FenceRecord fence(const NodeName& name) {
    FenceRecord record;
    record.victim = {name, dice.any(boots), dice.number()};
    auto known = view.nodes.find(name);
    if (known != view.nodes.end() && !dice.one_in(3))
      record.victim = {name, known->second.value.boot, known->second.value.incarnation};
    record.phase = dice.mostly(FencePhase::Acting, FencePhase::Confirmed);
    record.by = dice.any(coordinators);
    record.epoch = dice.number();
    record.attempt = dice.number();
    return record;
  }

  JobRecord job(std::uint64_t id) {
    JobRecord record;
    record.id = id;
    const std::size_t type = dice.below(std::size(job_types) + 1);
    record.type = type < std::size(job_types) ? std::string(job_types[type].name) : "no-such-job";
    const bool of_a_vm = type < std::size(job_types) && job_types[type].target == Target::Vm;
    record.object = dice.any(of_a_vm != dice.one_in(8) ? uuids : names);
    if (!of_a_vm && view.leader && dice.one_in(2)) record.object = view.leader->value.node;
    if (dice.one_in(2)) record.arguments["node"] = dice.any(names);
    if (dice.one_in(2)) record.arguments["boot_id"] = dice.any(boots);
    if (dice.one_in(2)) record.arguments["vm"] = dice.any(uuids);
    record.state = dice.mostly(JobState::Running, JobState::Finished);
    record.mark = view.leader && dice.one_in(2) ? view.leader->value.epoch : dice.number();
    if (view.leader && dice.one_in(4)) {  // at random, hardly any would be one that can be carried out
      record.type = "node-step-down";
      record.object = view.leader->value.node;
      record.state = JobState::Running;
      record.mark = view.leader->value.epoch;
    }
    return record;
  }

  void put_broken() {
    static const std::vector<std::string> directories = {"/vms/", "/owners/", "/runs/", "/waiting/", "/jobs/j"};
    const std::string path = dice.any(directories) + dice.any(uuids);
    if (dice.one_in(2))
      view.broken.erase(path);
    else
      view.broken[path] = "no JSON";
  }
};

// ------------------------------------------------------------------------------------------------------- coordinator

void check(const ClusterView& view, const AssignVm& act) {
  auto present = view.owners.find(act.uuid);
  REQUIRE(view.vms.contains(act.uuid));
  REQUIRE(view.nodes.contains(act.record.owner.node));
  CHECK(view.nodes.at(act.record.owner.node).value.boot == act.record.owner.boot);
  CHECK_FALSE(view.evidence.contains(act.record.owner.boot));
  if (present == view.owners.end()) return;
  const OwnerRecord& before = present->second.value;
  CHECK(act.record.generation > before.generation);
  CHECK((before.released || view.evidence.contains(before.owner.boot)));
}
void check(const ClusterView& view, const PowerOff& act) {
  REQUIRE(view.leader);
  REQUIRE(view.fences.contains(act.victim.node));
  CHECK(view.fences.at(act.victim.node).value.phase == FencePhase::Acting);
  CHECK(view.fences.at(act.victim.node).value.victim == act.victim);
}
void check(const ClusterView& view, const FenceStorage& act) {
  check(view, PowerOff{{}, act.victim, {}, 0, 0, {}});
  CHECK_FALSE(act.addresses.empty());
  for (const std::string& address : act.addresses)
    for (const auto& [name, node] : view.nodes)
      if (name != act.victim.node) {
        const auto& others = node.value.storage_addresses;
        CHECK(std::find(others.begin(), others.end(), address) == others.end());
      }
}
void check(const ClusterView& view, const CommitEvidence& act) {
  REQUIRE(view.nodes.contains(act.record.life.node));
  const BootId& boot = view.nodes.at(act.record.life.node).value.boot;
  CHECK((act.record.kind == EvidenceKind::LaterBoot) == (boot != act.record.life.boot));
}
void check(const ClusterView&, const auto&) {}

void coordinate(Chaos& chaos, const NodeName& self, std::set<std::size_t>& planned) {
  Dice& dice = chaos.dice;
  CoordinatorSettings settings;
  settings.coordinators = coordinators;
  CoordinatorMemory memory;
  std::vector<CoordinatorAnswer> answers;
  Instant now = 0;
  const PowerState usual = dice.one_in(3) ? PowerState::Unknown : PowerState::Off;
  const unsigned rounds_per_change = usual == PowerState::Unknown ? 3 : 2;  // a silent BMC takes its time
  for (unsigned round = 0; round < rounds; ++round) {
    const LeaderRecord* primary = primary_of(chaos.view);
    auto record = chaos.view.nodes.find(self);
    Life life{self, "boot-1", 1};
    if (record != chaos.view.nodes.end()) life = {self, record->second.value.boot, record->second.value.incarnation};
    const bool may_act = !dice.one_in(5);
    CoordinatorPlan plan = decide_coordinator(
        {chaos.view, life, primary && primary->node == self, may_act, now, std::exchange(answers, {})}, settings,
        memory);
    if (!may_act || !chaos.view.complete) CHECK(plan.actions.empty());
    for (const auto& [act, why] : plan.actions) {
      planned.insert(act.index());
      CHECK_FALSE(key_of(act).empty());
      CHECK_FALSE(why.what.empty());
      std::visit([&](const auto& one) { check(chaos.view, one); }, act);
      if (!dice.one_in(3)) answers.push_back(Done{key_of(act), dice.upto(Outcome::Refused)});
      if (const auto* read = std::get_if<ReadPower>(&act))
        answers.push_back(
            PowerRead{read->node, read->boot, {dice.mostly(usual, PowerState::Off), dice.any(names), "note"}, now});
      if (const auto* off = std::get_if<PowerOff>(&act)) {
        answers.push_back(
            PowerActed{off->victim, {dice.mostly(Outcome::Done, Outcome::Refused), "note"}, now, now + 1});
        still_holds(*off, chaos.view);
      }
      if (const auto* put = std::get_if<PutFence>(&act); put && dice.one_in(2))
        chaos.view.fences[put->record.victim.node] = {put->record, dice.version()};
      if (const auto* shut_out = std::get_if<FenceStorage>(&act)) {
        const StorageFenced done{dice.mostly(Outcome::Done, Outcome::Refused), shut_out->images, {"done"}, "note"};
        answers.push_back(StorageActed{shut_out->victim, done, now});
        still_holds(*shut_out, chaos.view);
      }
    }
    if (dice.one_in(4))
      answers.push_back(
          PowerRead{dice.any(names), dice.any(boots), {dice.mostly(PowerState::Off, PowerState::Off), "", ""}, now});
    memory = std::move(plan.next);
    now += dice.one_in(30) ? dice.number() % seconds(1000000) : milliseconds(dice.below(800));
    if (dice.one_in(rounds_per_change)) chaos.change();
  }
  for (const auto& [node, history] : memory.power) CHECK(history.facts.size() < 10);
}

// ------------------------------------------------------------------------------------------------------------- agent

struct Answering {
  Dice& dice;

  AgentResult operator()(const Probe&) {
    return DomainProbe{dice.mostly(dice.one_in(2) ? DomainState::Gone : DomainState::Running, DomainState::Paused),
                       dice.process(), "note"};
  }
  AgentResult operator()(const RunHook&) {
    return HookVerdict{dice.mostly(Verdict::Proceed, Verdict::Wait),
                       "reason",
                       dice.number() % seconds(100),
                       dice.some(names),
                       dice.any(names),
                       dice.one_in(3),
                       dice.instances(),
                       dice.file_systems()};
  }
  AgentResult operator()(const CreateDomain&) {
    return CreateAnswer{dice.mostly(Outcome::Done, Outcome::Refused), dice.process(), "note"};
  }
  AgentResult operator()(const IdentifyInstances&) {
    return Identified{dice.mostly(Outcome::Done, Outcome::Refused), dice.instances(), "note"};
  }
  AgentResult operator()(const WriteRun&) { return Written{!dice.one_in(3), "note"}; }
  AgentResult operator()(const FinishJob&) { return Written{!dice.one_in(3), "note"}; }
  AgentResult operator()(const auto&) { return Answer{dice.mostly(Outcome::Done, Outcome::Refused), "note"}; }
};

void serve(Chaos& chaos, const NodeName& self, std::set<std::size_t>& planned) {
  Dice& dice = chaos.dice;
  AgentSettings settings;
  settings.hooks = hooks;
  AgentMemory memory;
  std::map<VmUuid, DomainState> domains;
  std::map<VmUuid, std::vector<PluggedImage>> images;
  std::vector<AgentAnswer> answers;
  Instant now = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    auto record = chaos.view.nodes.find(self);
    Life life{self, "boot-1", 1};
    if (record != chaos.view.nodes.end()) life = {self, record->second.value.boot, record->second.value.incarnation};
    const bool may_act = !dice.one_in(8);
    if (dice.one_in(8)) domains[dice.any(uuids)] = dice.upto(DomainState::Paused);
    if (dice.one_in(4)) images[dice.any(uuids)] = {{dice.any(names), dice.number()}};
    AgentInput input{chaos.view,
                     life,
                     {"10.0.0.1"},
                     may_act,
                     dice.one_in(30),
                     domains,
                     !dice.one_in(10),
                     images,
                     now,
                     std::exchange(answers, {})};
    AgentPlan plan = decide_agent(input, settings, memory);
    for (const auto& [uuid, act, why] : plan.actions) {
      planned.insert(act.index());
      const bool begins = std::holds_alternative<CreateDomain>(act) || std::holds_alternative<ResumeDomain>(act);
      CHECK_FALSE((begins && !may_act));
      if (begins) {
        REQUIRE(chaos.view.owners.contains(uuid));
        CHECK(chaos.view.owners.at(uuid).value.owner == life);
        CHECK_FALSE(chaos.view.owners.at(uuid).value.released);
      }
      if (!std::holds_alternative<AskRelease>(act) && !dice.one_in(8))
        answers.push_back({uuid, std::visit(Answering{dice}, act)});
    }
    memory = std::move(plan.next);
    now += dice.one_in(30) ? dice.number() % seconds(1000000) : milliseconds(dice.below(800));
    if (dice.one_in(5)) chaos.change();
  }
}

}  // namespace

TEST_CASE("a coordinator that sees a mad cluster goes on, and plans nothing that its rules forbid") {
  constexpr std::size_t acts = std::variant_size_v<CoordinatorAct>;
  std::set<std::size_t> planned;
  for (unsigned seed = 0; seed < seeds || (planned.size() < acts && seed < seeds_for_rare_acts); ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    coordinate(chaos, chaos.dice.any(coordinators), planned);
  }
  for (std::size_t act = 0; act < acts; ++act) {
    CAPTURE(act);
    CHECK(planned.contains(act));
  }
}

TEST_CASE("an agent that sees a mad cluster goes on, and starts only what it owns") {
  constexpr std::size_t acts = std::variant_size_v<AgentAct>;
  std::set<std::size_t> planned;
  for (unsigned seed = 0; seed < seeds || (planned.size() < acts && seed < seeds_for_rare_acts); ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    serve(chaos, chaos.dice.any(coordinators), planned);
  }
  for (std::size_t act = 0; act < acts; ++act) {
    CAPTURE(act);
    CHECK(planned.contains(act));
  }
}

TEST_CASE("whoever asks about a mad cluster is answered") {
  const unsigned seed = GENERATE(range(0u, seeds));
  CAPTURE(seed);
  Chaos chaos(seed);
  const ClusterView& view = chaos.view;
  const Sights sights = look(view, {}, 0);
  const CoordinatorSettings settings;
  const Situation situation{view, sights, seconds(1), settings};
  for (const auto& [uuid, vm] : view.vms) {
    CHECK_FALSE(explain_vm(situation, uuid).empty());
    what_is_missing(view, vm.value, settings.needs);
  }
  for (const auto& [name, node] : view.nodes) CHECK_FALSE(explain_node(situation, name).empty());
  ElectionSettings election{coordinators, seconds(3), seconds(1)};
  ElectionMemory memory;
  for (Instant now = 0; now < seconds(10); now += seconds(1)) {
    memory = decide_election({view, chaos.dice.life(), now}, election, memory).next;
    chaos.change();
  }
  for (const char* text : {"fail node n1", "fail nodes n1,n2", "drain n2", "power-loss all", "fail node n9", ""}) {
    const auto event = parse_event(text, view);
    if (const auto* parsed = std::get_if<Event>(&event)) rehearse(view, {}, *parsed, settings, seconds(1));
  }
}

TEST_CASE("ten thousand nodes and a VM on each: what can be placed is placed") {
  constexpr std::size_t count = 10000;
  ClusterView view;
  view.complete = true;
  view.leader = Seen<LeaderRecord>{{7, "n0", 1}, 1};
  for (std::size_t i = 0; i < count; ++i) {
    NodeRecord node;
    node.name = "n" + std::to_string(i);
    node.boot = "boot of " + node.name;
    node.incarnation = 1;
    node.memory_total = 1 << 30;
    Live live;
    live.value = {node.name, node.boot, 1, 1, DaemonState::Run, 0, 1 << 30, 0, {{"core", {"running", 0, ""}}}, {}, {}};
    live.session = true;
    OwnerRecord owner;
    owner.generation = 1;
    owner.owner = {node.name, node.boot, 1};
    owner.released = i < 10;
    VmRecord vm;
    vm.uuid = "vm-" + std::to_string(i);
    vm.wanted = WantedState::Running;
    vm.memory = 1 << 20;
    view.live[{node.name, 1}] = live;
    view.nodes[node.name] = {node, 1};
    view.owners[vm.uuid] = {owner, 1};
    view.vms[vm.uuid] = {vm, 1};
  }
  const auto plan = decide_coordinator({view, {"n0", "boot of n0", 1}, true, true, seconds(1), {}}, {}, {});
  CHECK(std::count_if(plan.actions.begin(), plan.actions.end(),
                      [](const auto& action) { return std::holds_alternative<AssignVm>(action.act); }) == 10);
}

}  // namespace pvcd::logic
