#include "small_world.hpp"

#include <algorithm>

#include "ceph.hpp"
#include "logic/transactions.hpp"
#include "observer.hpp"
#include "sdk/claim.hpp"
#include "sdk/join.hpp"
#include "settings.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds tick_length = seconds(2);  // a heartbeat
constexpr Microseconds session_limit = seconds(4);
constexpr Microseconds proof_length = seconds(3);

std::string image_of(const VmUuid& uuid) { return "vms/" + uuid; }

bool has(const std::vector<ClientInstance>& instances, const std::string& address) {
  return std::any_of(instances.begin(), instances.end(), [&](const auto& each) { return each.address == address; });
}

}  // namespace

SmallWorld::SmallWorld(std::size_t nodes, std::size_t vms, const Budget& budget) : nodes_(nodes) {
  std::vector<NodeName> names;
  for (std::size_t i = 0; i < nodes; ++i) names.push_back(name_of_node(i));
  coordinator_settings_.coordinators = names;
  coordinator_settings_.suspect_after = milliseconds(1500);
  coordinator_settings_.retry_min = coordinator_settings_.retry_max = tick_length;
  coordinator_settings_.silent_read_wait = tick_length;
  coordinator_settings_.fence_deadline = 4 * tick_length;
  coordinator_settings_.return_wait = coordinator_settings_.storm_window = 0;
  coordinator_settings_.readiness_interval = coordinator_settings_.finished_job_kept = seconds(1000);
  coordinator_settings_.shutdown_timeout = 2 * tick_length;
  agent_settings_.hooks = {"rbd-locks"};
  agent_settings_.retry_min = agent_settings_.retry_max = tick_length;
  agent_settings_.act_limit = proof_length;
  agent_settings_.shutdown_timeout = 2 * tick_length;
  agent_settings_.settled_after = 0;
  election_settings_ = {names, seconds(10), tick_length};

  now_ = seconds(100);
  commit({}, {Put{{Kind::Cluster, {}}, ClusterRecord{"cluster-1", "small", false}, std::nullopt}});
  for (std::size_t i = 1; i <= vms; ++i) {
    VmRecord vm;
    vm.uuid = vm.name = "vm" + std::to_string(i);
    vm.wanted = WantedState::Running;
    vm.memory = 2 * gibibyte;
    vm.disks.push_back({"vda", DiskKind::Rbd, image_of(vm.uuid)});
    commit({}, {Put{{Kind::Vm, vm.uuid}, vm, std::nullopt}});
    vms_.push_back(vm.uuid);
  }
  repair();
  budget_ = budget;
}

// ------------------------------------------------------------------------------------------------------------- facts

void SmallWorld::fail(const std::string& rule, const std::string& text) {
  if (!broken_) broken_ = Broken{rule, text};
}

std::size_t SmallWorld::index_of(const NodeName& name) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (name_of_node(i) == name) return i;
  return 0;
}

BootId SmallWorld::boot_of(std::size_t node) const {
  return "boot-" + name_of_node(node) + "-" + std::to_string(nodes_[node].boots);
}
Life SmallWorld::life_of(std::size_t node) const {
  return {name_of_node(node), boot_of(node), nodes_[node].incarnation};
}
bool SmallWorld::lives(const NodeName& name, const BootId& boot) const {
  const std::size_t node = index_of(name);
  return nodes_[node].on && boot_of(node) == boot;
}

NodeRecord SmallWorld::record_of(std::size_t node) const {
  NodeRecord record;
  record.name = name_of_node(node);
  record.machine_id = "machine-" + record.name;
  record.system_uuid = "uuid-" + record.name;
  record.boot = boot_of(node);
  record.storage_addresses = {address_of(node)};
  record.memory_total = 8 * gibibyte;
  return record;
}

logic::ClusterView SmallWorld::view() const {
  Shown shown;
  for (const auto& [key, entry] : entries_.all()) show(key, entry, shown);
  shown.view.complete = true;
  return std::move(shown.view);
}

std::pair<std::uint64_t, std::uint64_t> SmallWorld::hash() const {
  StateHash hash;
  hash(now_, entries_.all(), locks_, blocklisted_);
  hash(budget_.ticks, budget_.deaths, budget_.boots, budget_.freezes, budget_.late, budget_.lost_answers,
       budget_.silent_bmcs, budget_.crashes, budget_.wishes);
  for (const Node& node : nodes_) {
    hash(node.on, node.frozen, node.bmc_answers, node.boots, node.created, node.incarnation, node.counter,
         node.proven_at, node.agent, node.coordinator, node.election, node.late.has_value());
    for (const Qemu& qemu : node.qemus) hash(qemu.uuid, qemu.process, qemu.generation, qemu.address, qemu.runs);
    hash(node.agent_answers.size(), node.coordinator_answers.size());
    if (node.late) hash(node.late->epoch, node.late->not_after, node.late->acts.size(), node.late->agent_acts.size());
  }
  return hash.value();
}

CommitCode SmallWorld::commit(const Author& author, const Changes& changes, std::uint64_t session) {
  std::vector<Entries::Changed> changed;
  const CommitOutcome outcome = entries_.apply(changes, session, changed);
  for (const auto& [key, before, after] : changed)
    if (const auto broken = broken_by(*this, author, key, before.get(), after.get())) fail(broken->rule, broken->text);
  return outcome.code;
}

// -------------------------------------------------------------------------------------------------------------- time

void SmallWorld::tick() {
  now_ += tick_length;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].on && !nodes_[i].frozen && nodes_[i].incarnation != 0) beat(i);
  std::vector<Key> over;
  for (const auto& [key, entry] : entries_.all()) {
    if (key.kind != Kind::Session) continue;
    const Node& node = nodes_[index_of(key.name.substr(0, key.name.rfind('.')))];
    if (now_ >= entry->session + session_limit && now_ >= node.proven_at + session_limit) over.push_back(key);
  }
  for (const Key& key : over) commit({0, Part::Store, 0}, {Remove{key}});
}

void SmallWorld::beat(std::size_t index) {
  Node& node = nodes_[index];
  const Life life = life_of(index);
  LiveRecord live;
  live.node = life.node;
  live.boot = life.boot;
  live.incarnation = life.incarnation;
  live.counter = ++node.counter;
  live.daemon_state = DaemonState::Run;
  live.memory_free = (8 - 2 * node.qemus.size()) * gibibyte;
  live.units["core"] = {"running", 0, {}};
  const CommitCode code = commit(
      {index, Part::Keepalive, 0},
      {Check{session_key(life.node, life.incarnation)}, Put{live_key(life.node, life.incarnation), live, any_version}});
  if (code == CommitCode::Ok)
    node.proven_at = now_;
  else
    node.incarnation = 0;
}

void SmallWorld::join(std::size_t index) {
  Node& node = nodes_[index];
  keepalive::ClusterLook look;
  const logic::ClusterView seen = view();
  for (const auto& [name, record] : seen.nodes) look.nodes[name] = {record.value, record.version};
  const NodeName name = name_of_node(index);
  if (auto fence = seen.fences.find(name); fence != seen.fences.end())
    look.fence = keepalive::Found<FenceRecord>{fence->second.value, fence->second.version};
  look.evidence = seen.evidence.contains(boot_of(index));
  if (auto own = seen.nodes.find(name); own != seen.nodes.end())
    if (const auto session = entries_.find(session_key(name, own->second.value.incarnation)))
      look.session_owner = session->session;
  const keepalive::OwnFacts self{record_of(index), now_, session_limit, session_limit, 0};
  const auto decision = keepalive::decide_join(look, self);
  const auto* joins = std::get_if<keepalive::Join>(&decision);
  if (std::holds_alternative<keepalive::Refuse>(decision)) {  // a person who reads the journal reboots it
    die(index);
    boot(index);
  }
  if (!joins || commit({index, Part::Keepalive, 0}, joins->changes, now_) != CommitCode::Ok) return;
  node.incarnation = joins->incarnation;
  node.counter = 0;
  beat(index);
}

void SmallWorld::die(std::size_t index) {
  Node& node = nodes_[index];
  node.on = node.frozen = false;
  node.incarnation = 0;
  node.qemus.clear();
  node.late.reset();
  node.agent = {};
  node.agent_answers.clear();
  node.coordinator = {};
  node.coordinator_answers.clear();
  node.election = {};
}

void SmallWorld::boot(std::size_t index) {
  nodes_[index].on = true;
  nodes_[index].boots++;
}

// --------------------------------------------------------------------------------------------------------- decisions

SmallWorld::Pending SmallWorld::decide(std::size_t index, const logic::ClusterView& seen) {
  Node& node = nodes_[index];
  const Life self = life_of(index);
  const bool may_act = now_ < node.proven_at + proof_length;
  const LeaderRecord* leader = logic::primary_of(seen);
  const bool primary = leader && leader->node == self.node && leader->incarnation == self.incarnation;
  Pending pending;
  pending.not_after = node.proven_at + proof_length;
  pending.epoch = seen.leader ? seen.leader->value.epoch : 0;

  auto elected = logic::decide_election({seen, self, now_}, election_settings_, node.election);
  node.election = elected.next;
  if (may_act) pending.claim = elected.claim;

  std::map<VmUuid, DomainState> domains;
  for (const Qemu& qemu : node.qemus) domains[qemu.uuid] = qemu.runs ? DomainState::Running : DomainState::Paused;
  logic::AgentInput agent{
      seen, self, {address_of(index)}, may_act, false, domains, true, {}, now_, std::exchange(node.agent_answers, {})};
  auto agent_plan = logic::decide_agent(agent, agent_settings_, node.agent);
  node.agent = std::move(agent_plan.next);
  pending.agent_acts = std::move(agent_plan.actions);

  logic::CoordinatorInput coordinator{seen, self, primary, may_act, now_, std::exchange(node.coordinator_answers, {})};
  auto plan = logic::decide_coordinator(coordinator, coordinator_settings_, node.coordinator);
  node.coordinator = std::move(plan.next);
  for (const auto& action : plan.actions) {
    auto changes = logic::transaction_of(action.act, seen);
    const auto* off = std::get_if<logic::PowerOff>(&action.act);
    pending.acts.push_back({action, std::move(changes), !off || logic::still_holds(*off, seen)});
  }
  return pending;
}

void SmallWorld::step(std::size_t index, Haste haste) {
  Node& node = nodes_[index];
  if (node.incarnation == 0) join(index);
  if (node.incarnation == 0 || !node.on) return;
  Pending pending = decide(index, view());
  if (haste == Haste::Late)
    node.late = std::move(pending);
  else
    carry_out(index, std::move(pending), haste);
}

void SmallWorld::go_on(std::size_t index) {
  if (auto late = std::exchange(nodes_[index].late, std::nullopt)) carry_out(index, std::move(*late), Haste::Late);
}

void SmallWorld::carry_out(std::size_t index, Pending pending, Haste haste) {
  for (const auto& action : pending.agent_acts) carry_out(index, pending, action, haste);
  for (const auto& act : pending.acts) carry_out(index, pending, act, haste);
  if (pending.claim && now_ < pending.not_after) claim(index, *pending.claim);
}

void SmallWorld::claim(std::size_t index, const ClaimRequest& request) {
  const Author author{index, Part::Election, request.expected.epoch};
  const auto holder = election::holder_of(request);
  std::vector<Entries::Changed> changed;
  Entries before = entries_;
  const CommitOutcome outcome = entries_.apply(election::claim_changes(request, holder, 0), 0, changed);
  const auto verdict = election::judge_claim(request, holder, outcome.code, outcome.failed);
  entries_ = std::move(before);
  commit(author, election::claim_changes(request, verdict.holder_gone ? election::Holder::None : holder, 0));
}

// --------------------------------------------------------------------------------------- what the coordinator does

void SmallWorld::carry_out(std::size_t index, const Pending& pending, const Pending::Act& act, Haste haste) {
  auto& answers = nodes_[index].coordinator_answers;
  const std::string& key = logic::key_of(act.action.act);
  if (act.changes) {
    const CommitCode code = commit({index, Part::Coordinator, pending.epoch}, *act.changes);
    answers.push_back(logic::Done{key, haste == Haste::AnswersLost ? Outcome::Unknown : logic::outcome_of(code)});
    return;
  }
  // Ceph is not asked here: what this evidence rests on is the OSDs' own knowledge, which only the simulator has.
  if (const auto* shut_out = std::get_if<logic::FenceStorage>(&act.action.act))
    answers.push_back(logic::StorageActed{shut_out->victim, {}, now_});
  if (const auto* read = std::get_if<logic::ReadPower>(&act.action.act)) {
    const Node& other = nodes_[index_of(read->node)];
    const PowerState state = !other.bmc_answers ? PowerState::Unknown : other.on ? PowerState::On : PowerState::Off;
    answers.push_back(logic::PowerRead{read->node, read->boot, {state, read->system_uuid, {}}, now_});
  }
  if (const auto* off = std::get_if<logic::PowerOff>(&act.action.act)) {
    const bool accepted = act.still_holds && now_ < pending.not_after && power_off(index, *off);
    answers.push_back(logic::PowerActed{off->victim, {accepted ? Outcome::Done : Outcome::Refused, {}}, now_, now_});
  }
  answers.push_back(logic::Done{key, Outcome::Done});
}

bool SmallWorld::power_off(std::size_t index, const logic::PowerOff& off) {
  const std::size_t victim = index_of(off.victim.node);
  const auto* fence = find<FenceRecord>(entries_, Kind::Fence, off.victim.node);
  if (nodes_[victim].on && entries_.find(session_key(off.victim.node, off.victim.incarnation)))
    fail("fence", name_of_node(index) + " switches " + off.victim.node + " off, which is on and has a session");
  const bool joined = lives(off.victim.node, off.victim.boot) && nodes_[victim].incarnation != 0 &&
                      nodes_[victim].incarnation != off.victim.incarnation;
  if (joined && fence && fence->victim == off.victim)
    fail("fence", off.victim.node + " has joined while it was being switched off");
  if (!nodes_[victim].bmc_answers) return false;
  if (nodes_[victim].on) die(victim);
  return true;
}

// --------------------------------------------------------------------------------------------- what the agent does

void SmallWorld::carry_out(std::size_t index, const Pending& pending, const logic::AgentAction& action, Haste haste) {
  const bool may = now_ < pending.not_after;
  const VmUuid& uuid = action.uuid;
  const auto answer = [&](logic::AgentResult result) {
    nodes_[index].agent_answers.push_back({uuid, std::move(result)});
  };
  const auto written = [&](const Changes& changes) {
    const bool ok = commit({index, Part::Agent, pending.epoch}, changes) == CommitCode::Ok;
    answer(logic::Written{ok && haste != Haste::AnswersLost, "no answer"});
  };
  const auto act = [&]<class Act>(const Act& one) {
    if constexpr (std::is_same_v<Act, logic::Probe>) {
      DomainProbe probe{DomainState::Gone, std::nullopt, {}};
      for (const Qemu& qemu : nodes_[index].qemus)
        if (qemu.uuid == uuid) probe = {qemu.runs ? DomainState::Running : DomainState::Paused, qemu.process, {}};
      answer(probe);
    } else if constexpr (std::is_same_v<Act, logic::RunHook>) {
      answer(may ? ask_guard(index, one.request) : HookVerdict{});
    } else if constexpr (std::is_same_v<Act, logic::CreateDomain>) {
      answer(create(index, one.request, may));
    } else if constexpr (std::is_same_v<Act, logic::IdentifyInstances>) {
      Identified found{Outcome::Done, {}, {}};
      for (const Qemu& qemu : nodes_[index].qemus)
        if (qemu.uuid == uuid) found.instances.push_back({image_of(uuid), qemu.address});
      answer(found);
    } else if constexpr (std::is_same_v<Act, logic::ResumeDomain>) {
      answer(resume(index, one.request, may));
    } else if constexpr (std::is_same_v<Act, logic::ShutdownDomain> || std::is_same_v<Act, logic::DestroyDomain>) {
      end(index, one.request.process, std::is_same_v<Act, logic::ShutdownDomain>);
      answer(Answer{Outcome::Done, {}});
    } else if constexpr (std::is_same_v<Act, logic::AfterStop>) {
      for (const ClientInstance& dead : one.request.own_dead)
        if (may) break_lock(index, dead.image, dead.address);
      answer(may ? Answer{Outcome::Done, {}} : Answer{});
    } else if constexpr (std::is_same_v<Act, logic::WriteRun>) {
      written(logic::transaction_of(one, uuid));
    } else if constexpr (std::is_same_v<Act, logic::AskRelease>) {
      commit({index, Part::Agent, pending.epoch}, logic::transaction_of(one, name_of_node(index)));
    } else if constexpr (std::is_same_v<Act, logic::FinishJob>) {
      written(logic::transaction_of(one));
    }
  };
  std::visit(act, action.act);
}

void SmallWorld::unlock(const std::string& image, const std::string& address) {
  const auto lock = locks_.find(image);
  if (lock != locks_.end() && lock->second == address) locks_.erase(lock);
}

// S6: a dead instance of this node, or of a boot that is over.
void SmallWorld::break_lock(std::size_t index, const std::string& image, const std::string& address) {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    for (const Qemu& qemu : nodes_[i].qemus)
      if (qemu.address == address)
        fail("S6", name_of_node(index) + " breaks " + address + ", which lives on " + name_of_node(i));
  blocklisted_.insert(address);
  unlock(image, address);
}

// Follows rbd_guard.cpp, without the waiting.
HookVerdict SmallWorld::ask_guard(std::size_t index, const VmStart& start) {
  HookVerdict verdict;
  verdict.verdict = Verdict::Proceed;
  verdict.reason = "no lock";
  const std::string image = image_of(start.uuid);
  const auto lock = locks_.find(image);
  if (lock == locks_.end()) return verdict;
  const std::string address = lock->second, host = host_of(address);
  bool dead = has(start.own_dead, address) || host == address_of(index);
  for (const Writer& writer : start.covered) {
    const bool ended = writer.cover == CoverKind::Power || writer.cover == CoverKind::Operator ||
                       writer.cover == CoverKind::Storage || writer.cover == CoverKind::Watchdog;
    const bool evidence = ended || writer.cover == CoverKind::LaterBoot;
    const bool same_host = !writer.storage_addresses.empty() && writer.storage_addresses.front() == host;
    dead = dead || (evidence && has(writer.instances, address)) || (ended && same_host);
  }
  if (dead) {
    break_lock(index, image, address);
    verdict.present.push_back({image, address});
    return verdict;
  }
  verdict.verdict = Verdict::Refuse;
  verdict.reason = "locked";
  for (const auto& [node, hosts] : start.living)
    if (!hosts.empty() && hosts.front() == host) verdict.ask = node;
  return verdict;
}

CreateAnswer SmallWorld::create(std::size_t index, const CreateRequest& request, bool may) {
  Node& node = nodes_[index];
  for (const Qemu& qemu : node.qemus)
    if (qemu.uuid == request.uuid) return {Outcome::Refused, qemu.process, "it is there already"};
  if (!may) return {Outcome::Unknown, std::nullopt, "it is too late"};
  const std::uint64_t number = node.boots * 100 + ++node.created;
  node.qemus.push_back({request.uuid,
                        {static_cast<std::int64_t>(number), number},
                        request.generation,
                        address_of(index) + ":0/" + std::to_string(number),
                        false});
  return {Outcome::Done, node.qemus.back().process, {}};
}

// S1: nobody else may be able to write. Safety rule 17: its instance is on record.
Answer SmallWorld::resume(std::size_t index, const DomainRequest& request, bool may) {
  auto& qemus = nodes_[index].qemus;
  auto qemu = std::find_if(qemus.begin(), qemus.end(), [&](const Qemu& one) { return one.process == request.process; });
  if (qemu == qemus.end() || !may) return {Outcome::Refused, "it is gone, or it is too late"};
  for (const Node& node : nodes_)
    for (const Qemu& other : node.qemus)
      if (&other != &*qemu && other.uuid == qemu->uuid && other.runs && !blocklisted_.contains(other.address))
        fail("S1", qemu->address + " starts while " + other.address + " can write to " + image_of(qemu->uuid));
  const auto* run = find<RunRecord>(entries_, Kind::Run, qemu->uuid);
  if (!run || run->process != qemu->process || !has(run->instances, qemu->address))
    fail("S2", qemu->address + " starts without being on record");
  qemu->runs = true;
  locks_[image_of(qemu->uuid)] = qemu->address;
  return {Outcome::Done, {}};
}

void SmallWorld::end(std::size_t index, const pvcd::Process& process, bool orderly) {
  auto& qemus = nodes_[index].qemus;
  auto qemu = std::find_if(qemus.begin(), qemus.end(), [&](const Qemu& one) { return one.process == process; });
  if (qemu == qemus.end()) return;
  if (orderly) unlock(image_of(qemu->uuid), qemu->address);
  qemus.erase(qemu);
}

// ------------------------------------------------------------------------------------------------------------- moves

std::vector<SmallWorld::Move> SmallWorld::moves() const {
  std::vector<Move> all;
  const auto offer = [&](bool can, std::string what, auto make) {
    if (can) all.push_back({std::move(what), make});
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const std::string name = name_of_node(i);
    const bool works = node.on && !node.frozen;
    offer(works && !node.late, name + " decides and acts", [i](SmallWorld& it) { it.step(i, Haste::AtOnce); });
    offer(works && node.late, name + " acts, late", [i](SmallWorld& it) { it.go_on(i); });
    offer(works && !node.late && budget_.late > 0, name + " decides", [i](SmallWorld& it) {
      it.budget_.late--;
      it.step(i, Haste::Late);
    });
    offer(works && !node.late && budget_.lost_answers > 0, name + " decides, acts and hears nothing",
          [i](SmallWorld& it) {
            it.budget_.lost_answers--;
            it.step(i, Haste::AnswersLost);
          });
    offer(node.on && budget_.deaths > 0, name + " loses its power", [i](SmallWorld& it) {
      it.budget_.deaths--;
      it.die(i);
    });
    offer(!node.on && budget_.boots > 0, name + " boots", [i](SmallWorld& it) {
      it.budget_.boots--;
      it.boot(i);
    });
    offer(works && budget_.freezes > 0, name + " freezes", [i](SmallWorld& it) {
      it.budget_.freezes--;
      it.nodes_[i].frozen = true;
    });
    offer(node.on && node.frozen, name + " goes on", [i](SmallWorld& it) { it.nodes_[i].frozen = false; });
    offer(node.bmc_answers && budget_.silent_bmcs > 0, "the BMC of " + name + " falls silent", [i](SmallWorld& it) {
      it.budget_.silent_bmcs--;
      it.nodes_[i].bmc_answers = false;
    });
    offer(!node.bmc_answers, "the BMC of " + name + " answers again",
          [i](SmallWorld& it) { it.nodes_[i].bmc_answers = true; });
    offer(works && !node.qemus.empty() && budget_.crashes > 0, "a QEMU crashes on " + name, [i](SmallWorld& it) {
      it.budget_.crashes--;
      it.end(i, it.nodes_[i].qemus.front().process, false);
    });
  }
  offer(budget_.wishes > 0, vms_.front() + " is to move", [](SmallWorld& it) {
    it.budget_.wishes--;
    it.ask_to_move(it.vms_.front());
  });
  offer(budget_.ticks > 0, "time passes", [](SmallWorld& it) {
    it.budget_.ticks--;
    it.tick();
  });
  return all;
}

void SmallWorld::ask_to_move(const VmUuid& uuid) {
  JobRecord job;
  job.type = "vm-move";
  job.object = uuid;
  job.started_on = name_of_node(0);
  commit({}, {Append{Kind::Job, job}});
}

// ------------------------------------------------------------------------------------------------------------ S10

std::string SmallWorld::unwell() const {
  for (const VmUuid& uuid : vms_) {
    const auto* owner = find<OwnerRecord>(entries_, Kind::Owner, uuid);
    const auto* run = find<RunRecord>(entries_, Kind::Run, uuid);
    const auto* waiting = find<WaitingRecord>(entries_, Kind::Waiting, uuid);
    if (!owner || owner->released) return uuid + " has no owner" + (waiting ? ": " + waiting->reason : "");
    const auto& qemus = nodes_[index_of(owner->owner.node)].qemus;
    const bool runs = std::any_of(qemus.begin(), qemus.end(),
                                  [&](const Qemu& qemu) { return run && qemu.process == run->process && qemu.runs; });
    if (!runs || run->state != VmState::Running || !run->reason.empty())
      return uuid + " does not run on " + owner->owner.node + (run ? ": " + run->reason : "");
  }
  return {};
}

std::string SmallWorld::repair() {
  constexpr int ticks_max = 120, steps_per_tick = 4;  // longer than a node is taken for flapping
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].on) boot(i);
    nodes_[i].frozen = false;
    nodes_[i].bmc_answers = true;
    go_on(i);
  }
  for (int ticks = 0; ticks < ticks_max; ++ticks) {
    for (int round = 0; round < steps_per_tick; ++round)
      for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].on) step(i, Haste::AtOnce);
    tick();
    if (ticks > 1 && unwell().empty()) return {};
  }
  return unwell();
}

}  // namespace pvcd::sim
