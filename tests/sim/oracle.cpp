#include "oracle.hpp"

#include <algorithm>

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds heartbeat_gap_max = seconds(2);
constexpr std::uint64_t heartbeats_without_heir_max = 12;

std::string name(const Qemu& qemu) {
  return qemu.uuid + " on n" + std::to_string(qemu.node + 1) + " (generation " + std::to_string(qemu.generation) +
         ", pid " + std::to_string(qemu.process.pid) + ")";
}

Microseconds published_core_age(const LiveRecord& live) {
  const auto core = live.units.find("core");
  return core == live.units.end() ? 0 : core->second.age;
}

}  // namespace

void Oracle::fail(const std::string& rule, const std::string& text) {
  if (violation_) return;
  violation_ = Violation{rule, text, world_.events.now()};
  world_.trace([&] { return "VIOLATION of " + rule + ": " + text; });
}

const Entries& Oracle::entries() const { return world_.store.records(); }

bool Oracle::lives(const NodeName& node, const BootId& boot) const {
  const Host& host = world_.node(world_.index_of(node)).host;
  return host.name() == node && host.is_on() && host.boot() == boot && !given_up_.contains(boot) &&
         !shut_out_.contains(boot);
}

// More often than that within so long is for nothing.
void Oracle::count(const std::string& what, Microseconds within, std::uint64_t times_max) {
  Count& one = counts_[what];
  if (world_.events.now() >= one.since + within) one = {world_.events.now(), 0};
  if (++one.times > times_max)
    fail("busy", what + ": more than " + std::to_string(times_max) + " times within " +
                     std::to_string(within / seconds(1)) + " s");
}

// ----------------------------------------------------------------------------------------------------------- writers

void Oracle::created(const QemuPointer& qemu) {
  qemu->number = static_cast<std::int64_t>(qemus_.size());
  qemus_.push_back(qemu);
  for (const auto& instance : qemu->instances) writers_[instance->address] = qemu;
  const Host& host = world_.node(qemu->node).host;
  std::uint64_t memory = 0;
  for (const QemuPointer& one : host.qemus()) memory += one->memory;
  if (memory > host.memory_total) fail("place", name(*qemu) + " does not fit");
  for (const auto& instance : qemu->instances) not_cut_off(*qemu, *instance);
}

void Oracle::plugged(const QemuPointer& qemu) { writers_[qemu->instances.back()->address] = qemu; }

// Whoever else has the image open or locked has been cut off before (design, the start path).
void Oracle::not_cut_off(const Qemu& qemu, const Instance& instance) {
  Ceph::Listing listing = world_.ceph.list(instance.image);
  if (listing.locker) listing.watchers.push_back(*listing.locker);
  for (const std::string& address : listing.watchers) {
    const auto other = writers_.find(address);
    if (address == instance.address || other == writers_.end() || given_up_.contains(other->second->boot)) continue;
    if (!world_.ceph.is_blocklisted(address))
      fail("S6", name(qemu) + " is created while " + name(*other->second) + " is not cut off from " + instance.image);
  }
}

// S1: the CPUs of two QEMUs with one image may run at once only if all but one are cut off from it. Safety rule 17: all
// its instances are on record before.
void Oracle::started(const Qemu& qemu) {
  constexpr Microseconds window = seconds(25);
  constexpr std::uint64_t starts_max = 10;
  world_.tally.count("starts");
  count("starts of " + qemu.uuid, window, starts_max);
  for (const QemuPointer& other : qemus_) {
    if (other->number == qemu.number || !other->lives || !other->runs || given_up_.contains(other->boot)) continue;
    for (const auto& theirs : other->instances)
      for (const auto& ours : qemu.instances)
        if (ours->image == theirs->image && !world_.ceph.is_blocklisted(theirs->address))
          return fail("S1", name(qemu) + " starts while " + name(*other) + " can write to " + ours->image);
  }
  if (!qemu.file_system.empty()) {
    const std::string last = std::exchange(file_systems_[qemu.uuid], qemu.file_system);
    if (!last.empty() && last != qemu.file_system)
      return fail("rule 12", name(qemu) + " starts on " + qemu.file_system + " after it ran on " + last);
  }
  const Watchdog& watchdog = world_.node(qemu.node).watchdog;
  if (watchdog.wanted && !watchdog.armed()) return fail("watchdog", name(qemu) + " starts without an armed watchdog");
  const auto* run = find<RunRecord>(entries(), Kind::Run, qemu.uuid);
  if (!run || run->process != qemu.process || run->generation != qemu.generation)
    return fail("S2", name(qemu) + " starts without being on record");
  for (const auto& instance : qemu.instances)
    if (std::find(run->instances.begin(), run->instances.end(), ClientInstance{instance->image, instance->address}) ==
        run->instances.end())
      return fail("S2", name(qemu) + " starts, and its instance " + instance->address + " is not on record");
}

bool Oracle::has_run_on_a_copy(const VmUuid& uuid) const {
  const auto last = file_systems_.find(uuid);
  return last != file_systems_.end() && last->second != shared_file_system;
}

bool Oracle::is_wanted_since(const VmUuid& uuid, Microseconds time) const {
  const auto since = wanted_since_.find(uuid);
  return since != wanted_since_.end() && world_.events.now() > since->second + time;
}

// What runs as it is wanted is left alone.
void Oracle::destroys(const Qemu& qemu) {
  const auto* owner = find<OwnerRecord>(entries(), Kind::Owner, qemu.uuid);
  const auto* run = find<RunRecord>(entries(), Kind::Run, qemu.uuid);
  const bool owned = owner && !owner->released && owner->owner.boot == qemu.boot;
  const bool runs = qemu.runs && run && run->process == qemu.process;
  if (owned && runs && is_wanted_since(qemu.uuid, healthy_for_sure) && !entries().find({Kind::Evidence, qemu.boot}))
    fail("S10", name(qemu) + " runs as it is wanted, and is destroyed");
}

// S1: what a newer QEMU has touched, an older one must not write to.
void Oracle::wrote(const Qemu& qemu, const Instance& instance, std::size_t osd) {
  if (given_up_.contains(qemu.boot)) return;
  auto [newest, first] = newest_.emplace(instance.image + "/" + std::to_string(osd), qemu.number);
  if (newest->second > qemu.number)
    return fail("S1", name(qemu) + " writes to " + instance.image + " after " +
                          name(*qemus_[static_cast<std::size_t>(newest->second)]) + " has");
  newest->second = qemu.number;
}

// S6: a dead instance of this node, or of a boot that is over.
void Oracle::breaks(std::size_t node, const std::string& image, const std::string& address) {
  acted(node, "breaks " + address);
  world_.tally.count("breaks");
  auto found = writers_.find(address);
  if (found == writers_.end()) return;
  const Qemu& victim = *found->second;
  if (victim.lives && !given_up_.contains(victim.boot) && !shut_out_.contains(victim.boot))
    return fail("S6", "n" + std::to_string(node + 1) + " breaks " + name(victim) + ", which lives, on " + image);
  const Host& host = world_.node(victim.node).host;
  if (victim.node != node && lives(host.name(), victim.boot))
    fail("S6", "n" + std::to_string(node + 1) + " breaks an instance of " + name(victim) + ", whose node lives");
}

// ------------------------------------------------------------------------------------------------------------- store

Oracle::Health& Oracle::health(const std::string& live_name) {
  return health_[live_name.substr(0, live_name.rfind('.'))];
}

void Oracle::changed(const Author& author, const Key& key, const Entry* before, const Entry* after) {
  if (key.kind == Kind::Evidence && after) evidence_written(*value_in<EvidenceRecord>(after));
  if (const auto broken = broken_by(*this, author, key, before, after)) fail(broken->rule, broken->text);
  switch (key.kind) {
    case Kind::Leader:
      return leader_changed(value_in<LeaderRecord>(before), value_in<LeaderRecord>(after));
    case Kind::Owner:
      return owner_changed(key.name, value_in<OwnerRecord>(before), value_in<OwnerRecord>(after));
    case Kind::Vm: {
      const auto* vm = value_in<VmRecord>(after);
      if (!vm || vm->wanted != WantedState::Running)
        wanted_since_.erase(key.name);
      else
        wanted_since_.emplace(key.name, world_.events.now());
      return;
    }
    case Kind::Run: {
      const auto *old = value_in<RunRecord>(before), *now = value_in<RunRecord>(after);
      if (now && now->state == VmState::Failed && (!old || old->state != VmState::Failed))
        world_.tally.count("failures");
      if (now)
        for (const ClientInstance& instance : now->instances) recorded_.insert(instance.address);
      return;
    }
    case Kind::Fence: {
      const auto* fence = value_in<FenceRecord>(after);
      Fence& acting = acting_[key.name];
      if (fence && fence->phase == FencePhase::Acting)
        acting = {fence->victim, std::nullopt};
      else if (!acting.ended_at)
        acting.ended_at = world_.events.now();
      return;
    }
    case Kind::Session:
      health(key.name).healthy_since = after ? std::optional(world_.events.now()) : std::nullopt;
      return;
    case Kind::Live:
      if (after) watchdog_recorded(*value_in<LiveRecord>(after));
      if (before && after) beat(*value_in<LiveRecord>(after));
      return;
    default:
      return;
  }
}

void Oracle::beat(const LiveRecord& live) {
  Health& one = health_[live.node];
  auto sent = one.sent.find(live.counter);
  if (sent != one.sent.end()) one.proven_at = std::max(one.proven_at, sent->second);
  one.sent.erase(one.sent.begin(), one.sent.upper_bound(live.counter));
  const bool gap = world_.events.now() > one.beat_at + heartbeat_gap_max;
  one.beat_at = world_.events.now();
  if (gap && one.healthy_since) one.healthy_since = world_.events.now();
  one.last_word = live.daemon_state;
  if (published_core_age(live) > 2 * decision_limit) one.core_stale_at = world_.events.now();
  const auto* leader = find<LeaderRecord>(entries(), Kind::Leader);
  if (leader && leader->node == live.node && leader->incarnation == live.incarnation) look_for_an_heir(live);
}

// Safety rule 10: there is always a way to a primary that acts.
void Oracle::look_for_an_heir(const LiveRecord& live) {
  const bool missed = published_core_age(live) > 2 * decision_limit &&
                      std::any_of(world_.nodes.begin(), world_.nodes.end(), [&](const auto& node) {
                        return node->host.name() != live.node && could_be_primary(*node);
                      });
  heir_missed_ = missed ? heir_missed_ + 1 : 0;
  if (heir_missed_ > heartbeats_without_heir_max)
    fail("S10", live.node + " is primary, its core does not decide, and nobody takes the role");
}

bool Oracle::could_be_primary(const Node& node) const {
  const auto& coordinators = world_.coordinators;
  const NodeName& name = node.host.name();
  const auto known = health_.find(name);
  return std::find(coordinators.begin(), coordinators.end(), name) != coordinators.end() && known != health_.end() &&
         known->second.healthy_since && world_.events.now() > *known->second.healthy_since + 2 * healthy_for_sure &&
         node.host.runs() && node.core.process.runs() && node.elector.worker.process.runs() && !node.core.is_stopping();
}

void Oracle::leader_changed(const LeaderRecord* old, const LeaderRecord* now) {
  heir_missed_ = 0;
  if (!now || (old && now->epoch <= old->epoch)) return;
  world_.tally.count("epochs");
  if (!old || old->node.empty() || old->node == now->node) return;
  const Health& holder = health_[old->node];
  const bool stale = holder.core_stale_at != 0 && world_.events.now() < holder.core_stale_at + healthy_for_sure;
  if (entries().find(session_key(old->node, old->incarnation)) && !stale)
    fail("S3", now->node + " takes the role while " + old->node + " holds it, lives and decides");
}

void Oracle::owner_changed(const VmUuid& uuid, const OwnerRecord* old, const OwnerRecord* now) {
  if (!old || !now) return;
  if (now->generation > old->generation && !old->released) world_.tally.count("failovers");
  if (now->generation == old->generation && now->released && !old->released) released(uuid, *old);
  if (now->failed_on.size() > old->failed_on.size()) world_.tally.count("given-back");
}

// Safety rule 7: a release leaves nothing behind that could still write, but for a disk that was plugged in by hand
// just before its QEMU ended: nobody can know that client any more.
void Oracle::released(const VmUuid& uuid, const OwnerRecord& owner) {
  world_.tally.count("releases");
  const std::size_t node = world_.index_of(owner.owner.node);
  for (const QemuPointer& qemu : qemus_) {
    if (qemu->uuid != uuid || qemu->node != node || qemu->boot != owner.owner.boot) continue;
    if (qemu->lives) return fail("S2", uuid + " is released while " + name(*qemu) + " lives");
    for (const auto& instance : qemu->instances) {
      if (instance->plugged && !recorded_.contains(instance->address)) continue;
      if (qemu->ran && world_.ceph.is_open(*instance) && !world_.ceph.is_blocklisted(instance->address))
        return fail("S2", uuid + " is released while an instance of " + name(*qemu) + " is not cut off");
    }
  }
}

// Against an operator's word about a node that shows no life there is no proof: what that boot still writes is his
// doing.
void Oracle::evidence_written(const EvidenceRecord& evidence) {
  constexpr const char* kinds[] = {"evidence-power", "evidence-later-boot", "evidence-operator", "evidence-storage",
                                   "evidence-watchdog"};
  world_.tally.count(kinds[static_cast<std::size_t>(evidence.kind)]);
  if (evidence.kind == EvidenceKind::Storage) {
    const std::string& host = world_.node(world_.index_of(evidence.life.node)).host.address();
    if (lives(evidence.life.node, evidence.life.boot) && !world_.ceph.is_shut_out(host))
      fail("evidence", evidence.life.node + " is taken for shut out, and an OSD still takes its writes");
    shut_out_.insert(evidence.life.boot);
  }
  if (evidence.kind != EvidenceKind::Operator || !lives(evidence.life.node, evidence.life.boot)) return;
  world_.tally.count("wrong-words");
  given_up_.insert(evidence.life.boot);
}

}  // namespace pvcd::sim
