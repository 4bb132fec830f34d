// A cluster as the logic sees it, built in words. Everything starts well: complete, three nodes alive in state run with
// 64 GiB each, n1 primary at epoch 7; each test bends it.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "logic/coordinator.hpp"

namespace pvcd::logic::test {

inline constexpr std::uint64_t gib = 1ULL << 30;
inline const VmUuid web = "aaaaaaaa-0000-0000-0000-000000000001";
inline const VmUuid mail = "aaaaaaaa-0000-0000-0000-000000000002";

struct World {
  ClusterView view;

  World() {
    view.complete = true;
    view.cluster = {ClusterRecord{"id", "lab", false}, 1};
    for (const char* name : {"n1", "n2", "n3"}) join(name);
    lead("n1");
  }

  // ----------------------------------------------------------------------------------------------------------------
  // nodes

  static BootId boot_of(const NodeName& name, int life = 1) { return "boot-" + name + "-" + std::to_string(life); }

  World& join(const NodeName& name, int boot = 1, Incarnation incarnation = 1) {
    NodeRecord record;
    record.name = name;
    record.machine_id = "machine-" + name;
    record.system_uuid = "uuid-" + name;
    record.boot = boot_of(name, boot);
    record.incarnation = incarnation;
    record.storage_addresses = {"10.0.0." + name.substr(1)};
    record.memory_total = 64 * gib;
    view.nodes[name] = {record, static_cast<Version>(10 * boot)};
    Live live;
    live.value.node = name;
    live.value.boot = record.boot;
    live.value.incarnation = incarnation;
    live.value.counter = 1;
    live.value.daemon_state = DaemonState::Run;
    live.value.memory_free = 64 * gib;
    live.value.units["core"] = {"running", 0, ""};
    live.version = 100;
    live.session = true;
    view.live[{name, incarnation}] = live;
    return *this;
  }
  NodeRecord& node(const NodeName& name) { return view.nodes.at(name).value; }
  Live& live(const NodeName& name) { return view.live.at({name, node(name).incarnation}); }
  Life life(const NodeName& name) const {
    const NodeRecord& record = view.nodes.at(name).value;
    return {name, record.boot, record.incarnation};
  }
  World& beat(const NodeName& name) {
    ++live(name).value.counter;
    ++live(name).version;
    return *this;
  }
  World& beat_all_but(const NodeName& silent) {
    for (const auto& [name, record] : view.nodes)
      if (name != silent && view.live.contains({name, record.value.incarnation}) && live(name).session) beat(name);
    return *this;
  }
  World& lose(const NodeName& name) {
    live(name).session = false;
    return *this;
  }
  World& says(const NodeName& name, DaemonState state) {
    live(name).value.daemon_state = state;
    return *this;
  }
  World& core_age(const NodeName& name, Microseconds age) {
    live(name).value.units["core"].age = age;
    return *this;
  }
  World& lead(const NodeName& name, Epoch epoch = 7) {
    view.leader = {LeaderRecord{epoch, name, node(name).incarnation}, static_cast<Version>(epoch)};
    return *this;
  }
  World& vacate(Epoch epoch = 7) {
    view.leader = {LeaderRecord{epoch, "", 0}, static_cast<Version>(epoch)};
    return *this;
  }
  World& maintenance(bool on = true) {
    view.cluster->value.maintenance = on;
    return *this;
  }

  // ------------------------------------------------------------------------------------------------------------------
  // VMs

  VmRecord& vm(const VmUuid& uuid, WantedState wanted = WantedState::Running, std::uint64_t memory = 4 * gib) {
    if (auto found = view.vms.find(uuid); found != view.vms.end()) return found->second.value;
    VmRecord record;
    record.uuid = uuid;
    record.name = "vm" + uuid.substr(35);
    record.xml = "<domain/>";
    record.wanted = wanted;
    record.memory = memory;
    record.disks = {{"vda", DiskKind::Rbd, "vms/disk" + uuid.substr(35)}};
    view.vms[uuid] = {record, 3};
    return view.vms[uuid].value;
  }
  OwnerRecord& own(const VmUuid& uuid, const NodeName& name, Generation generation = 1) {
    vm(uuid);
    OwnerRecord record;
    record.generation = generation;
    record.owner = life(name);
    record.storage_addresses = node(name).storage_addresses;
    record.epoch = 7;
    view.owners[uuid] = {record, static_cast<Version>(20 + generation)};
    return view.owners[uuid].value;
  }
  RunRecord& run(const VmUuid& uuid, VmState state = VmState::Running, Process process = {500, 9}) {
    const OwnerRecord& owner = view.owners.at(uuid).value;
    RunRecord record;
    record.generation = owner.generation;
    record.life = owner.owner;
    record.state = state;
    record.process = process;
    record.instances = {{"vms/disk" + uuid.substr(35), owner.storage_addresses.front() + ":0/1"}};
    view.runs[uuid] = {record, 40};
    return view.runs[uuid].value;
  }

  // ------------------------------------------------------------------------------------------- fences, evidence and
  // jobs

  FenceRecord& fence(const NodeName& name, FencePhase phase) {
    FenceRecord record;
    record.victim = life(name);
    record.phase = phase;
    record.by = "n1";
    record.epoch = 7;
    record.reason = "its session is gone and it may still write";
    view.fences[name] = {record, 60};
    return view.fences[name].value;
  }
  EvidenceRecord& prove(const NodeName& name, EvidenceKind kind = EvidenceKind::Power) {
    EvidenceRecord record;
    record.kind = kind;
    record.life = life(name);
    view.evidence[record.life.boot] = {record, 70};
    lose(name);
    return view.evidence[record.life.boot].value;
  }
  JobRecord& job(std::uint64_t id, const std::string& type, const std::string& object,
                 std::map<std::string, std::string> arguments = {}, JobState state = JobState::Queued) {
    JobRecord record;
    record.id = id;
    record.type = type;
    record.object = object;
    record.arguments = std::move(arguments);
    record.started_on = "n2";
    record.started_by_uid = 1000;
    record.state = state;
    view.jobs[id] = {record, static_cast<Version>(80 + id)};
    return view.jobs[id].value;
  }
};

// --------------------------------------------------------------------------------------------------------- the
// coordinator

// One coordinator over time: it remembers, and the acts it plans stay under way until they are answered. `refresh`
// answers everything that is under way as done in the store's sense, without changing the world.
struct Coordinator {
  World& world;
  NodeName name;
  CoordinatorSettings settings = with_coordinators();
  CoordinatorMemory memory;
  Instant now = seconds(1000);
  bool may_act = true;
  std::vector<CoordinatorAnswer> answers;
  Heards heard;
  std::vector<CoordinatorAction> actions;

  explicit Coordinator(World& seen, NodeName self = "n1") : world(seen), name(std::move(self)) {}
  Coordinator(const Coordinator&) = delete;

  static CoordinatorSettings with_coordinators() {
    CoordinatorSettings settings;
    settings.coordinators = {"n1", "n2", "n3"};
    return settings;
  }

  bool is_primary() const {
    const LeaderRecord* leader = primary_of(world.view);
    return leader && leader->node == name;
  }
  Coordinator& round() {
    CoordinatorPlan plan = decide_coordinator(
        {world.view, world.life(name), is_primary(), may_act, now, std::exchange(answers, {}), heard}, settings,
        memory);
    memory = std::move(plan.next);
    actions = std::move(plan.actions);
    return *this;
  }
  Coordinator& wait(Microseconds time) {
    now += time;
    return *this;
  }
  Coordinator& done(const std::string& key, Outcome outcome = Outcome::Done) {
    answers.push_back(Done{key, outcome});
    return *this;
  }
  Coordinator& refresh() {
    for (const std::string& key : memory.under_way) done(key);
    return *this;
  }
  Coordinator& read(const NodeName& node, PowerState state, const std::string& note = {}) {
    const auto known = world.view.nodes.find(node);
    return read_of_boot(known == world.view.nodes.end() ? "" : known->second.value.boot, node, state, note);
  }
  Coordinator& read_of_boot(const BootId& boot, const NodeName& node, PowerState state, const std::string& note = {}) {
    answers.push_back(PowerRead{node, boot, {state, "uuid-" + node, note}, now});
    done("read/" + node).done("ready/" + node);
    return *this;
  }
  Coordinator& off_answer(const NodeName& node, Outcome outcome, const std::string& note = {}) {
    answers.push_back(PowerActed{world.life(node), {outcome, note}, now, now});
    done("off/" + node);
    return *this;
  }

  template <class Act>
  std::vector<Act> all() const {
    std::vector<Act> found;
    for (const CoordinatorAction& action : actions)
      if (const auto* act = std::get_if<Act>(&action.act)) found.push_back(*act);
    return found;
  }
  template <class Act>
  const Act* with_key(const std::string& key) const {
    for (const CoordinatorAction& action : actions)
      if (const auto* act = std::get_if<Act>(&action.act); act && act->key == key) return act;
    return nullptr;
  }
  Decision why(const std::string& key) const {
    for (const CoordinatorAction& action : actions)
      if (key_of(action.act) == key) return action.why;
    return {};
  }
  bool plans(const std::string& key) const {
    return std::any_of(actions.begin(), actions.end(), [&](const auto& action) { return key_of(action.act) == key; });
  }
};

}  // namespace pvcd::logic::test
