#include "oracle.hpp"

#include <algorithm>

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds heartbeat_gap_max = seconds(2);
// Between a look at the store, a decision and the act may be: the lag of a view, the limit of a proof, a slow BMC.
constexpr Microseconds healthy_for_sure = seconds(14);

std::string name(const Qemu& qemu) {
  return qemu.uuid + " on n" + std::to_string(qemu.node + 1) + " (generation " + std::to_string(qemu.generation) +
         ", pid " + std::to_string(qemu.process.pid) + ")";
}

template <class Record>
const Record* record(const Entry* entry) {
  return entry ? &std::get<Record>(entry->record) : nullptr;
}

}  // namespace

void Oracle::fail(const std::string& rule, const std::string& text) {
  if (violation_) return;
  violation_ = Violation{rule, text, world_.events.now()};
  world_.trace([&] { return "VIOLATION of " + rule + ": " + text; });
}

bool Oracle::lives(const BootId& boot, const NodeName& node) const {
  const Host& host = world_.node(world_.index_of(node)).host;
  return host.is_on() && host.boot() == boot;
}

// ----------------------------------------------------------------------------------------------------------- writers

void Oracle::created(const QemuPointer& qemu) {
  qemu->number = static_cast<std::int64_t>(qemus_.size());
  qemus_.push_back(qemu);
  for (const auto& instance : qemu->instances) writers_[instance->address] = qemu;
}

// What is not on record could never be proven dead after its host (design, section 6).
void Oracle::on_record(const Qemu& qemu) {
  const EntryPointer entry = world_.store.find({Kind::Run, qemu.uuid});
  const auto* run = record<RunRecord>(entry.get());
  for (const auto& instance : qemu.instances) {
    const ClientInstance one{instance->image, instance->address};
    if (!run || std::find(run->instances.begin(), run->instances.end(), one) == run->instances.end())
      return fail("start", name(qemu) + " runs, and its instance on " + instance->image + " is not on record");
  }
}

// S1: the CPUs of two QEMUs with one image may run at once only if all but one are cut off from it.
void Oracle::started(const Qemu& qemu) {
  world_.tally.count("starts");
  on_record(qemu);
  for (const QemuPointer& other : qemus_) {
    if (other->number == qemu.number || !other->lives || !other->runs) continue;
    for (const auto& theirs : other->instances)
      for (const auto& ours : qemu.instances)
        if (ours->image == theirs->image && !world_.ceph.is_blocklisted(theirs->address))
          return fail("S1", name(qemu) + " starts while " + name(*other) + " can write to " + ours->image);
  }
}

// S1: what a newer QEMU has touched, an older one must not write to.
void Oracle::wrote(const Qemu& qemu, const Instance& instance, std::size_t osd) {
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
  if (victim.lives)
    return fail("S6", "n" + std::to_string(node + 1) + " breaks " + name(victim) + ", which lives, on " + image);
  const Host& host = world_.node(victim.node).host;
  if (victim.node != node && host.is_on() && host.boot() == victim.boot)
    fail("S6", "n" + std::to_string(node + 1) + " breaks an instance of " + name(victim) + ", whose node lives");
}

// -------------------------------------------------------------------------------------------------------------- acts

Oracle::Health& Oracle::health(const std::string& live_name) {
  return health_[live_name.substr(0, live_name.rfind('.'))];
}

void Oracle::sends_heartbeat(std::size_t node, std::uint64_t counter) {
  health_[world_.node(node).host.name()].sent[counter] = world_.events.now();
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
  if (std::find(asked_off_.begin(), asked_off_.end(), victim.node) != asked_off_.end()) return;
  const Node& other = world_.node(world_.index_of(victim.node));
  const auto& since = health_[victim.node].healthy_since;
  const bool beats = world_.events.now() < health_[victim.node].beat_at + heartbeat_gap_max;
  const std::string who = "n" + std::to_string(node + 1) + " switches " + victim.node + " off, which ";
  if (since && beats && world_.events.now() > *since + healthy_for_sure && other.host.runs())
    return fail("fence", who + "is healthy");
  const bool on = lives(victim.boot, victim.node) && world_.events.now() > other.host.booted_at() + healthy_for_sure;
  if (on && !other.bmc.slow && world_.store.find(session_key(victim.node, victim.incarnation)))
    fail("fence", who + "is on and has a session");
}

void Oracle::decided(std::size_t node, const logic::Decision& why) {
  if (why.what.empty() || why.because.empty())
    fail("S7",
         "n" + std::to_string(node + 1) + " acts without a reason: '" + why.what + "' because '" + why.because + "'");
}

// ------------------------------------------------------------------------------------------------------------- store

void Oracle::changed(const Author& author, const Key& key, const Entry* before, const Entry* after) {
  if (author.part == Part::Coordinator) under_old_epoch(author, key);
  switch (key.kind) {
    case Kind::Leader:
      return leader_changed(before, after);
    case Kind::Node:
      return node_changed(before, after);
    case Kind::Owner:
      return owner_changed(author, key.name, before, after);
    case Kind::Evidence:
      if (const auto* evidence = record<EvidenceRecord>(after)) evidence_written(*evidence);
      return;
    case Kind::Session:
      health(key.name).healthy_since = after ? std::optional(world_.events.now()) : std::nullopt;
      return;
    case Kind::Live: {
      const auto* live = record<LiveRecord>(after);
      if (!live || !before) return;
      Health& one = health_[live->node];
      auto sent = one.sent.find(live->counter);
      if (sent != one.sent.end()) one.proven_at = std::max(one.proven_at, sent->second);
      one.sent.erase(one.sent.begin(), one.sent.upper_bound(live->counter));
      const bool gap = world_.events.now() > one.beat_at + heartbeat_gap_max;
      one.beat_at = world_.events.now();
      if (gap && one.healthy_since) one.healthy_since = world_.events.now();
      return;
    }
    default:
      return;
  }
}

// S3. Where there was no leader there is no epoch.
void Oracle::under_old_epoch(const Author& author, const Key& key) {
  const EntryPointer leader = world_.store.find({Kind::Leader, {}});
  const Epoch epoch = leader ? std::get<LeaderRecord>(leader->record).epoch : 0;
  if (author.epoch != epoch)
    fail("S3", "n" + std::to_string(author.node + 1) + " changes " + key.name + ", decided at epoch " +
                   std::to_string(author.epoch) + ", at epoch " + std::to_string(epoch));
}

void Oracle::node_changed(const Entry* before, const Entry* after) {
  const auto* old = record<NodeRecord>(before);
  const auto* now = record<NodeRecord>(after);
  if (old && (!now || now->incarnation < old->incarnation))
    fail("S4", "the incarnation of " + old->name + " decreases");
}

void Oracle::leader_changed(const Entry* before, const Entry* after) {
  const auto* old = record<LeaderRecord>(before);
  const auto* now = record<LeaderRecord>(after);
  if (old && (!now || now->epoch < old->epoch)) return fail("S4", "the epoch decreases");
  if (old && now->epoch == old->epoch && !now->node.empty() &&
      (now->node != old->node || now->incarnation != old->incarnation))
    return fail("S4", "epoch " + std::to_string(now->epoch) + " has two holders");
  if (!old || now->epoch > old->epoch) world_.tally.count("epochs");
}

// S2: from one possible writer to the next only by release or when its boot is over.
void Oracle::owner_changed(const Author& author, const VmUuid& uuid, const Entry* before, const Entry* after) {
  const auto* old = record<OwnerRecord>(before);
  const auto* now = record<OwnerRecord>(after);
  if (!old) return;
  if (!now || now->generation < old->generation) return fail("S4", "the generation of " + uuid + " decreases");
  if (now->generation > old->generation) {
    if (!old->released) {
      world_.tally.count("failovers");
      if (lives(old->owner.boot, old->owner.node))
        fail("S2", uuid + " is assigned to " + now->owner.node + " while " + old->owner.node +
                       " has not released it and lives");
    }
    return;
  }
  if (now->owner.node != old->owner.node || now->owner.boot != old->owner.boot)
    return fail("S2", uuid + " changes hands within generation " + std::to_string(now->generation));
  if (now->released && !old->released) {
    if (world_.node(author.node).host.name() != old->owner.node)
      return fail("S2", uuid + " is released by another than its owner");
    released(uuid, *old);
  }
  if (!now->released && old->released) fail("S2", "the release of " + uuid + " is taken back");
}

// Safety rule 7: a release leaves nothing behind that could still write.
void Oracle::released(const VmUuid& uuid, const OwnerRecord& owner) {
  world_.tally.count("releases");
  const std::size_t node = world_.index_of(owner.owner.node);
  for (const QemuPointer& qemu : qemus_) {
    if (qemu->uuid != uuid || qemu->node != node || qemu->boot != owner.owner.boot) continue;
    if (qemu->lives) return fail("S2", uuid + " is released while " + name(*qemu) + " lives");
    for (const auto& instance : qemu->instances)
      if (qemu->ran && world_.ceph.is_open(*instance) && !world_.ceph.is_blocklisted(instance->address))
        return fail("S2", uuid + " is released while an instance of " + name(*qemu) + " is not cut off");
  }
}

void Oracle::evidence_written(const EvidenceRecord& evidence) {
  constexpr const char* kinds[] = {"evidence-power", "evidence-later-boot", "evidence-operator"};
  world_.tally.count(kinds[static_cast<std::size_t>(evidence.kind)]);
  if (lives(evidence.life.boot, evidence.life.node))
    fail("evidence", std::string(kinds[static_cast<std::size_t>(evidence.kind)]) + " about " + evidence.life.boot +
                         ", which lives");
}

}  // namespace pvcd::sim
