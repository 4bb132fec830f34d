// Who acts, on what strength, and what is decided on what was seen.
#include <algorithm>
#include <limits>

#include "oracle.hpp"
#include "schedule.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds act_is_late_max = seconds(10);
constexpr Microseconds acts_window = seconds(10);
constexpr std::uint64_t acts_of_agent_max = 150;  // about one VM
constexpr std::uint64_t acts_of_coordinator_max = 120;

std::string node_name(std::size_t node) { return name_of_node(node); }

template <class Value, class Map, class Name>
const Value* seen(const Map& map, const Name& name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second.value;
}

bool is_asked_off(const logic::ClusterView& view, const Life& victim) {
  return std::any_of(view.jobs.begin(), view.jobs.end(), [&](const auto& job) {
    const JobRecord& one = job.second.value;
    return one.type == "node-fence" && one.object == victim.node && one.state == JobState::Running;
  });
}

bool may_run_on(const VmRecord& vm, const OwnerRecord* owner, const NodeName& node) {
  const bool allowed = vm.node_limit.empty() || std::count(vm.node_limit.begin(), vm.node_limit.end(), node) > 0;
  const bool bound =
      std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Local; });
  const NodeName place = owner ? owner->owner.node : vm.home;
  return allowed && (!bound || place.empty() || place == node);
}

// What speaks against a node as a place for VMs, as its own words are seen.
std::string objection(const logic::ClusterView& view, const Life& target) {
  const auto live = view.live.find({target.node, target.incarnation});
  if (live == view.live.end() || !live->second.session) return "does not take part";
  if (live->second.value.daemon_state != DaemonState::Run) return "is not in state run";
  if (view.fences.contains(target.node)) return "is being fenced";
  if (live->second.value.self_fence && !live->second.value.self_fence->armed) return "has no armed watchdog";
  for (const char* unit : {"core", "libvirt", "rbd-locks"}) {
    const auto report = live->second.value.units.find(unit);
    if (report == live->second.value.units.end() || report->second.age > seconds(10))
      return std::string("has no ") + unit + " that reports";
  }
  return {};
}

std::string placed_wrongly(const logic::ClusterView& view, const logic::AssignVm& act) {
  const NodeName& to = act.record.owner.node;
  if (const std::string no = objection(view, act.record.owner); !no.empty()) return to + ", which " + no;
  const auto* vm = seen<VmRecord>(view.vms, act.uuid);
  const auto* owner = seen<OwnerRecord>(view.owners, act.uuid);
  if (vm && !may_run_on(*vm, owner, to)) return to + ", where it may not run";
  const bool maintenance = view.cluster && view.cluster->value.maintenance;
  if (maintenance && owner && !owner->released) return to + " during maintenance";
  return {};
}

bool names(const std::vector<NodeName>& nodes, const NodeName& node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// So much that no way of counting promises makes it too little.
bool has_plenty_of_memory(const logic::ClusterView& view, const NodeRecord& node) {
  std::uint64_t sum = 0;
  for (const auto& [uuid, vm] : view.vms) sum += vm.value.memory;
  return view.broken.empty() && 3 * sum <= node.memory_total;
}

// At least: what this plan adds is not counted.
std::uint64_t taken_on(const logic::ClusterView& view, const NodeRecord& node) {
  std::uint64_t sum = 0;
  for (const auto& [uuid, owner] : view.owners)
    if (const auto* vm = seen<VmRecord>(view.vms, uuid);
        vm && !owner.value.released && owner.value.owner.node == node.name && owner.value.owner.boot == node.boot)
      sum += vm->memory;
  return sum;
}

bool returns_to(const logic::ClusterView& view, const VmUuid& uuid, const NodeRecord& node) {
  const auto* owner = seen<OwnerRecord>(view.owners, uuid);
  return owner && !owner->released && owner->owner.node == node.name && owner->owner.boot != node.boot;
}

// Who is shut out of Ceph may still write to a disk that is not there.
bool may_still_be_written(const logic::ClusterView& view, const VmRecord& vm, const OwnerRecord* owner) {
  const auto* evidence = owner ? seen<EvidenceRecord>(view.evidence, owner->owner.boot) : nullptr;
  return evidence && evidence->kind == EvidenceKind::Storage &&
         std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind != DiskKind::Rbd; });
}

// A VM that waits, although one that matters less has just got a place that would do. Where one that waits for the host
// it ran on would go otherwise, room is kept for it.
std::string passed_over(const logic::ClusterView& view, const logic::CoordinatorPlan& plan,
                        const logic::AssignVm& act) {
  const auto* given = seen<VmRecord>(view.vms, act.uuid);
  for (const auto& [uuid, reason] : plan.next.waiting) {
    const auto* waits = seen<VmRecord>(view.vms, uuid);
    if (!given || !waits || waits->priority <= given->priority || waits->memory > given->memory) continue;
    if (reason.find("maintenance") != std::string::npos) continue;
    const NodeRecord& node = view.nodes.at(act.record.owner.node).value;
    const bool awaits = reason.find("which is starting") != std::string::npos;
    const bool kept_here = reason.ends_with(" " + node.name) && !returns_to(view, act.uuid, node);
    if (awaits && (!kept_here || taken_on(view, node) + waits->memory + given->memory <= node.memory_total)) continue;
    const auto* owner = seen<OwnerRecord>(view.owners, uuid);
    if (!may_still_be_written(view, *waits, owner) && may_run_on(*waits, owner, node.name)) return uuid;
  }
  return {};
}

}  // namespace

// -------------------------------------------------------------------------------------------------------------- acts

void Oracle::sends_heartbeat(std::size_t node, std::uint64_t counter) {
  health_[world_.node(node).host.name()].sent[counter] = world_.events.now();
}

void Oracle::misreads(std::size_t node, bool may) {
  health_[world_.node(node).host.name()].misread_until =
      may ? std::numeric_limits<Instant>::max() : world_.events.now() + healthy_for_sure;
}

// A record that says armed is what evidence is made of: it is true for as long as it stands.
void Oracle::watchdog_recorded(const LiveRecord& live) {
  const bool armed = world_.node(world_.index_of(live.node)).watchdog.armed();
  if (live.self_fence && live.self_fence->armed && !armed && lives(live.node, live.boot))
    fail("watchdog", live.node + " is on record with an armed watchdog, and has none");
}

void Oracle::disarms(std::size_t node) {
  const Host& host = world_.node(node).host;
  for (const auto& [key, entry] : entries().all()) {
    if (key.kind != Kind::Live) continue;
    const auto& live = std::get<LiveRecord>(entry->record);
    if (live.node == host.name() && live.boot == host.boot() && live.self_fence && live.self_fence->armed)
      fail("watchdog", host.name() + " disarms its watchdog while it is on record as armed");
  }
}

// S5: the store has taken a heartbeat that was sent less than D ago.
void Oracle::acted(std::size_t node, const std::string& what) {
  const NodeName& name = world_.node(node).host.name();
  const Instant proven_at = health_[name].proven_at;
  if (proven_at == 0 || world_.events.now() >= proven_at + proof_limit)
    fail("S5", name + " " + what + " without proof of its session");
}

// Nobody's off but what was asked for goes to a node that takes part, or to one that is silent while its session and
// its host are there (rule 9). A slow BMC may tell of a past that is over.
void Oracle::sends_off(std::size_t node, const Life& victim) {
  acted(node, "switches " + victim.node + " off");
  world_.tally.count("offs");
  const Fence& fence = acting_[victim.node];
  if (fence.victim != victim || (fence.ended_at && world_.events.now() > *fence.ended_at + act_is_late_max))
    return fail("fence", node_name(node) + " switches " + victim.node + " off, and no record says so");
  if (std::find(asked_off_.begin(), asked_off_.end(), victim.node) != asked_off_.end()) return;
  const Node& other = world_.node(world_.index_of(victim.node));
  const Health& health = health_[victim.node];
  const bool beats = world_.events.now() < health.beat_at + seconds(2);
  const std::string who = node_name(node) + " switches " + victim.node + " off, which ";
  if (health.healthy_since && beats && world_.events.now() > *health.healthy_since + healthy_for_sure &&
      other.host.runs())
    return fail("fence", who + "is healthy");
  const bool on = lives(victim.node, victim.boot) && world_.events.now() > other.host.booted_at() + healthy_for_sure;
  if (!on) return;
  if (!other.bmc.slow && world_.store.find(session_key(victim.node, victim.incarnation)))
    return fail("fence", who + "is on and has a session");
  if (world_.events.now() < health.misread_until) return;
  if (health.last_word == DaemonState::Left || health.last_word == DaemonState::Stop)
    return fail("fence", who + "has left in order and is on");
  if (vanished_with_others(node, victim.node)) fail("storm", who + "vanished together with most others, and is on");
}

// Only a node that has lost its session, and that a record names.
void Oracle::shuts_out(std::size_t node, const Life& victim) {
  acted(node, "shuts " + victim.node + " out");
  world_.tally.count("shut-outs");
  const std::string who = node_name(node) + " shuts " + victim.node + " out of its disks, ";
  const Fence& fence = acting_[victim.node];
  if (fence.victim != victim || (fence.ended_at && world_.events.now() > *fence.ended_at + act_is_late_max))
    return fail("fence", who + "and no record says so");
  if (!lives(victim.node, victim.boot)) return;
  if (world_.store.find(session_key(victim.node, victim.incarnation)))
    return fail("fence", who + "which has a session");
  const Health& health = health_[victim.node];
  if (world_.events.now() < health.misread_until) return;
  if (std::find(asked_off_.begin(), asked_off_.end(), victim.node) != asked_off_.end()) return;
  if (health.last_word == DaemonState::Left || health.last_word == DaemonState::Stop)
    return fail("fence", who + "which has left in order and is on");
  if (vanished_with_others(node, victim.node)) fail("storm", who + "which vanished together with most others");
}

// The storm brake: within two session timeouts of its silence, as far as nobody could see it otherwise.
bool Oracle::vanished_with_others(std::size_t node, const NodeName& victim) const {
  constexpr Microseconds silent_for_sure = milliseconds(4500);
  constexpr Microseconds lag_max = milliseconds(5);
  constexpr Microseconds braked = 2 * session_timeout + seconds(1);
  constexpr Microseconds met_before = seconds(20);
  const Instant now = world_.events.now();
  const Instant fell = health_.at(victim).beat_at;
  const Core& core = world_.node(node).core;
  if (now > fell + braked || core.started_at() + met_before > now || core.observer.lag > lag_max) return false;
  if (core.observer.served_since() + session_timeout > fell) return false;
  std::size_t together = 0, alive = 0;
  for (const auto& [name, one] : health_) {
    if (name == node_name(node) || one.last_word == DaemonState::Left || one.last_word == DaemonState::Stop) continue;
    if (now < one.beat_at + silent_for_sure) ++alive;
    const Instant apart = std::max(one.beat_at, fell) - std::min(one.beat_at, fell);
    if (now >= one.beat_at + silent_for_sure && apart < session_timeout - seconds(2)) ++together;
  }
  return together >= 2 && together > alive;
}

// --------------------------------------------------------------------------------------------------------- decisions

// Of a VM that goes where it could not be started: a node that has not been tried, and that nobody can doubt.
std::string Oracle::better_place(std::size_t node, const logic::ClusterView& view, const logic::AssignVm& act) const {
  constexpr Microseconds beats_now = milliseconds(800);
  constexpr Microseconds lag_max = milliseconds(5);
  constexpr Microseconds undisturbed = seconds(70);  // longer than a node is taken for flapping
  const auto* vm = seen<VmRecord>(view.vms, act.uuid);
  const auto* owner = seen<OwnerRecord>(view.owners, act.uuid);
  const Core& core = world_.node(node).core;
  const Instant now = world_.events.now();
  if (!vm || !owner || !names(owner->failed_on, act.record.owner.node) || core.observer.lag > lag_max) return {};
  for (const auto& [name, record] : view.nodes) {
    const auto known = health_.find(name);
    if (names(owner->failed_on, name) || !may_run_on(*vm, owner, name) || known == health_.end()) continue;
    const Health& health = known->second;
    const bool well = health.healthy_since && now < health.beat_at + beats_now &&
                      (*health.healthy_since < faults_begin || *health.healthy_since + undisturbed < now);
    const Life life{name, record.value.boot, record.value.incarnation};
    if (well && objection(view, life).empty() && has_plenty_of_memory(view, record.value)) return name;
  }
  return {};
}

void Oracle::decided(std::size_t node, const logic::ClusterView& view, const logic::AgentAction& action) {
  const std::string who = node_name(node) + " (" + action.why.what + ")";
  if (action.why.what.empty() || action.why.because.empty()) fail("S7", node_name(node) + " acts without a reason");
  if (!view.complete) fail("view", who + " acts before it has read everything");
  if (!view.evidence.contains(world_.node(node).host.boot())) acted(node, "decides: " + action.why.what + ",");
  count(node_name(node) + " and " + action.uuid, acts_window, acts_of_agent_max);
}

void Oracle::decided(std::size_t node, const logic::ClusterView& view, const logic::CoordinatorPlan& plan) {
  for (const logic::CoordinatorAction& action : plan.actions) {
    const std::string who = node_name(node) + " (" + action.why.what + ")";
    if (action.why.what.empty() || action.why.because.empty()) fail("S7", node_name(node) + " acts without a reason");
    if (!view.complete) fail("view", who + " acts before it has read everything");
    acted(node, "decides: " + action.why.what + ",");
    count(node_name(node) + ": " + action.why.what, acts_window, acts_of_coordinator_max);
    if (const auto* off = std::get_if<logic::PowerOff>(&action.act)) {
      const bool maintenance = view.cluster && view.cluster->value.maintenance;
      if (maintenance && !is_asked_off(view, off->victim)) fail("fence", who + " during maintenance");
      const auto* fence = seen<FenceRecord>(view.fences, off->victim.node);
      if (!fence || fence->by != node_name(node)) fail("fence", who + ", and it is another's to do");
    }
    const auto* assign = std::get_if<logic::AssignVm>(&action.act);
    if (!assign) continue;
    if (const std::string wrong = placed_wrongly(view, *assign); !wrong.empty())
      fail("place", assign->uuid + " is assigned to " + wrong);
    if (const std::string better = better_place(node, view, *assign); !better.empty())
      fail("place", assign->uuid + " is assigned to " + assign->record.owner.node +
                        ", which could not start it, not to " + better);
    if (const std::string other = passed_over(view, plan, *assign); !other.empty())
      fail("place", assign->uuid + " gets the place of " + other + ", which matters more");
    if (!assign->record.former.empty() && action.why.evidence.empty())
      fail("S7", who + " does not name what makes it safe");
  }
}

}  // namespace pvcd::sim
