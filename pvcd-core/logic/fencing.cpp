// From a missed counter to evidence. A timeout only ever starts looking; an off is sent to a lost node, to a suspect
// whose BMC has read off twice (rule 9), or on request; and only a read of off after our own off is evidence (design,
// kind 1). Of each fence exactly one coordinator acts, the one that its record names.

#include <algorithm>
#include <set>
#include <string_view>

#include "logic/evidence.hpp"

namespace pvcd::logic {
namespace {

bool owns_anything(const ClusterView& view, const NodeRecord& node) {
  return std::any_of(view.owners.begin(), view.owners.end(), [&](const auto& owner) {
    return owner.second.value.owner.boot == node.boot && !owner.second.value.released;
  });
}

bool holds_leadership(const ClusterView& view, const NodeRecord& node) {
  return view.leader && view.leader->value.node == node.name && view.leader->value.incarnation == node.incarnation;
}

// Its evidence was committed with it and is only not seen yet: entries of one transaction may become visible one by
// one.
bool fence_is_confirmed(const ClusterView& view, const NodeRecord& node) {
  auto fence = view.fences.find(node.name);
  return fence != view.fences.end() && fence->second.value.victim == Life{node.name, node.boot, node.incarnation} &&
         fence->second.value.phase == FencePhase::Confirmed;
}

// A node that left with VMs is not switched off while it reads on (rule 11); a power loss of it is still noticed. A
// node that is only starting up (finding F10) needs no exception: it owns nothing in this boot unless it ran in it
// before.
bool left(const Round& round, const NodeRecord& node) { return is_leaving(last_word(round.next.sights, node.name)); }

// No sign of life lies between the two reads: it would have thrown the history away. An old read says nothing of now:
// while nothing could be written the host may have been switched on again, and would be switched off while it boots.
bool read_off_twice(const Round& round, const PowerHistory& history) {
  return history.first_off && *history.latest_off - *history.first_off >= round.settings.off_confirm_gap &&
         round.in.now - *history.latest_off <= 2 * round.settings.off_confirm_gap;
}

bool reads_on(const PowerHistory& history) { return history.answers && !history.latest_off; }

// An off that a person asked for may have come to pass unseen, and the host may be booting: its new boot joins when the
// session of the old one is gone. Without this wait a host whose absence costs the store its majority would be switched
// off in each of its boots.
bool may_be_booting(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  return is_asked_off(round.view(), node) && history.resumed && !history.latest_off &&
         round.in.now - *history.resumed < round.settings.return_wait;
}

// Asked again before each off: the reason for it must hold now, not when the fence began (rule 4).
bool may_send_off(const Round& round, const NodeRecord& node, const PowerHistory& history, Health state) {
  if (is_asked_off(round.view(), node)) return true;
  if (in_maintenance(round.view())) return false;
  if (state == Health::Lost && round.in.primary && !left(round, node)) return true;
  return read_off_twice(round, history);
}

// May evidence about this node be gathered by us at all? The primary looks after everybody else; the primary itself is
// looked after by any coordinator (rule 9).
bool is_ours_to_judge(const Round& round, const NodeRecord& node) {
  if (node.name == round.in.self.node) return false;
  if (round.in.primary) return true;
  const auto& coordinators = round.settings.coordinators;
  const bool coordinator =
      std::find(coordinators.begin(), coordinators.end(), round.in.self.node) != coordinators.end();
  return coordinator && holds_leadership(round.view(), node);
}

bool is_acting(const Round& round, const NodeName& name) {
  auto fence = round.view().fences.find(name);
  return fence != round.view().fences.end() && fence->second.value.phase == FencePhase::Acting;
}

PowerHistory begin_history(const Round& round, const NodeRecord& node, const PowerHistory* before) {
  PowerHistory history;
  history.victim = {node.name, node.boot, node.incarnation};
  history.began = round.in.now;
  if (before && before->victim == history.victim) history.resumed = before->resumed;
  if (!history.resumed && is_acting(round, node.name) && (!before || before->attempt_began))
    history.resumed = round.in.now;
  if (const Live* live = live_of(round.view(), node)) {
    history.live_version = live->version;
    history.live_counter = live->value.counter;
  }
  history.facts.push_back(node.name + " was last seen in boot " + node.boot + ", silent for " +
                          std::to_string(silence(round.next.sights, node.name, round.in.now) / 1000) + " ms");
  return history;
}

// A sign of life throws away what was read before it: the history begins again. So does an entry that could not be
// read when it began: nobody knows whether it changed.
bool showed_life(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  if (history.victim != Life{node.name, node.boot, node.incarnation}) return true;
  const Live* live = live_of(round.view(), node);
  return live && (!history.live_version || live->value.counter != history.live_counter);
}

void plan_read(Round& round, const NodeRecord& node, PowerHistory& history, const std::string& because) {
  if (round.in.now < history.next_read) return;
  round.plan(ReadPower{"read/" + node.name, node.name, node.boot, node.system_uuid},
             {"read the power state of " + node.name, because, {}, {}});
}

// Why it is not proven yet.
std::string note_of(const PowerHistory& history) {
  const std::string& storage = history.storage.note;
  return history.note + (history.note.empty() || storage.empty() ? "" : "; ") + storage;
}

void put_fence(Round& round, const NodeRecord& node, const PowerHistory& history, FencePhase phase,
               const std::string& reason) {
  FenceRecord record;
  record.victim = {node.name, node.boot, node.incarnation};
  std::optional<Version> replaces;
  auto present = round.view().fences.find(node.name);
  if (present != round.view().fences.end()) {
    replaces = present->second.version;
    if (present->second.value.victim == record.victim) record = present->second.value;
  }
  record.phase = phase;
  record.by = round.in.self.node;
  record.epoch = round.view().leader->value.epoch;
  record.attempt = std::max<std::uint64_t>(record.attempt, history.failures);
  record.note = note_of(history);
  if (!reason.empty()) record.reason = reason;
  const bool waits = phase == FencePhase::Intent;
  std::vector<std::string> rejected;
  if (waits && !record.note.empty()) rejected.push_back("switch it off now: " + record.note);
  round.plan(PutFence{"fence/" + node.name, record, replaces, round.view().nodes.at(node.name).version},
             {(waits ? "mean to fence " : "fence ") + node.name, record.reason, {}, std::move(rejected)});
}

// A failed fence is shown while it is retried (finding F14). Not during an attempt: a write would race with its
// evidence.
void tell_why_not_yet(Round& round, const NodeRecord& node, const PowerHistory& history) {
  const FenceRecord& record = round.view().fences.at(node.name).value;
  const bool trying = history.attempt_began.has_value();
  const bool failed = history.failures > 0 || (history.read_at && !history.answers);
  if (!trying && failed && record.note != note_of(history)) put_fence(round, node, history, record.phase, {});
}

// Another coordinator acts on it. We look with new eyes if it comes to us.
void leave_to(PowerHistory& history, const Seen<FenceRecord>& fence, Instant now) {
  forget_reads(history);
  if (history.fence_version == fence.version) return;
  history.fence_version = fence.version;
  history.fence_changed = now;
}

// Who acts on it is gone, or no longer the one to act, or has not come further in the time that an attempt may take.
bool is_orphaned(const Round& round, const PowerHistory& history, const FenceRecord& fence) {
  if (round.in.primary && fence.epoch < round.view().leader->value.epoch) return true;
  if (health(round.view(), round.next.sights, fence.by, round.in.now, round.settings.suspect_after) != Health::Alive)
    return true;
  return round.in.now - history.fence_changed > round.settings.fence_deadline;
}

// The record first: of two that take it over one fails at its version.
void watch_fence_of_another(Round& round, const NodeRecord& node, PowerHistory& history) {
  const Seen<FenceRecord>& fence = round.view().fences.at(node.name);
  leave_to(history, fence, round.in.now);
  if (is_orphaned(round, history, fence.value)) put_fence(round, node, history, fence.value.phase, {});
}

// Hosts that are being switched off for the first time, also those that are planned and not seen yet. One that did not
// go off is tried again without a turn, and one whose BMC is silent needs none: neither may keep the others waiting.
std::size_t turns_taken(const Round& round) {
  static constexpr std::string_view fence_key = "fence/";
  std::set<NodeName> taken;
  for (const auto& [name, fence] : round.view().fences) {
    auto history = round.next.power.find(name);
    const bool known = history != round.next.power.end();
    const bool failed =
        fence.value.attempt > 0 || (known && (history->second.failures > 0 || history->second.storage.began));
    if (is_acting(round, name) && !failed && !evidence_about(round.view(), fence.value.victim.boot)) taken.insert(name);
  }
  for (const std::string& key : round.next.under_way)
    if (key.starts_with(fence_key) && !is_acting(round, key.substr(fence_key.size())))
      taken.insert(key.substr(fence_key.size()));
  return taken.size();
}

// What vanished together with most others is not switched off at once: the network or the store may be sick, and then
// it comes back. Nor are very many at a time. What reads off is not harmed by an off.
std::optional<std::string> reason_to_wait(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  if (is_asked_off(round.view(), node) || read_off_twice(round, history)) return std::nullopt;
  if (auto storm = storm_around(round, node.name)) return storm;
  const bool begins = history.answers && !is_acting(round, node.name);
  if (!begins || turns_taken(round) < round.settings.fences_at_once) return std::nullopt;
  return std::to_string(round.settings.fences_at_once) + " others are being switched off: it waits for its turn";
}

void wait_out(Round& round, const NodeRecord& node, PowerHistory& history, const std::string& reason) {
  const FenceRecord& fence = round.view().fences.at(node.name).value;
  history.note = reason;
  if (fence.note != note_of(history)) put_fence(round, node, history, fence.phase, {});
  plan_read(round, node, history, reason);
}

// Nothing may be sent now. A fence whose victim reads on has no reason any more.
void stand_back(Round& round, const NodeRecord& node, PowerHistory& history) {
  if (is_acted_upon(round, node.name)) return;  // a join must wait for what may come late
  if (reads_on(history) && !history.storage.began)
    round.plan(DropFence{"drop-fence/" + node.name, node.name, round.view().fences.at(node.name).version},
               {"close the fence of " + node.name,
                "it reads on, and it may be switched off only when it reads off",
                history.facts,
                {}});
  else
    plan_read(round, node, history, "whether it is off must be seen before anything is sent");
}

// An open fence. Before anything is sent a join cancels it, so Acting is written only once the BMC answers. Then off,
// then reads until one says off; after the deadline again, for ever, because a failed fence must be retried (finding
// F14).
void carry_on_fence(Round& round, const NodeRecord& node, PowerHistory& history, Health state) {
  const Instant now = round.in.now;
  const Seen<FenceRecord>& seen = round.view().fences.at(node.name);
  const FenceRecord& fence = seen.value;
  if (fence.by != round.in.self.node) return watch_fence_of_another(round, node, history);
  if (history.attempt_began && now - *history.attempt_began > round.settings.fence_deadline) {
    // Nobody looked while nothing could be written: the off came to pass unseen.
    if (now - history.read_at.value_or(0) > read_hole_max) history.resumed = now;
    fail_attempt(history, round.settings, now, "the BMC did not read off in time after the off");
  }
  if (!may_send_off(round, node, history, state)) {
    tell_why_not_yet(round, node, history);
    return stand_back(round, node, history);
  }
  if (!history.attempt_began)
    if (const auto reason = reason_to_wait(round, node, history)) return wait_out(round, node, history, *reason);
  tell_why_not_yet(round, node, history);
  const bool without_bmc = storage_is_due(round, node, history, state);
  if (without_bmc && fence.phase == FencePhase::Acting) fence_storage(round, node, history);  // and the BMC goes on
  if (now < history.not_before) return;
  if (fence.phase == FencePhase::Intent) {
    if (history.answers || without_bmc) return put_fence(round, node, history, FencePhase::Acting, {});
    return plan_read(round, node, history, "the BMC has to answer before an off is announced");
  }
  if (history.off_accepted) return plan_read(round, node, history, "only a read of off after our own off proves it");
  if (round.is_under_way("off/" + node.name)) return;
  if (!history.attempt_began && may_be_booting(round, node, history))
    return plan_read(round, node, history, "it may be booting after an off that was sent before");
  history.attempt_began = now;
  PowerOff off{
      "off/" + node.name, history.victim, node.system_uuid, round.view().leader->value.epoch, seen.version, {}};
  if (!is_asked_off(round.view(), node)) off.live_counter = history.live_counter;
  round.plan(std::move(off), {"switch " + node.name + " off", fence.reason, history.facts, {}});
}

void judge_suspect(Round& round, const NodeRecord& node, PowerHistory& history) {
  if (read_off_twice(round, history) && !in_maintenance(round.view()))
    put_fence(round, node, history, FencePhase::Acting, "its heartbeat stopped and its BMC reads off");
  else
    plan_read(round, node, history, "its heartbeat is missing");
}

void judge_lost(Round& round, const NodeRecord& node, PowerHistory& history) {
  if (left(round, node)) return judge_suspect(round, node, history);  // acts only when it reads off
  if (in_maintenance(round.view())) return;
  const auto wait = reason_to_wait(round, node, history);
  if (wait) history.note = *wait;
  put_fence(round, node, history, history.answers && !wait ? FencePhase::Acting : FencePhase::Intent,
            "its session is gone and it may still write");
}

void gather_about(Round& round, const NodeRecord& node) {
  const Health state = health(round.view(), round.next.sights, node.name, round.in.now, round.settings.suspect_after);
  const bool open = fence_is_open(round.view(), node);
  const bool matters = open || owns_anything(round.view(), node) || holds_leadership(round.view(), node);
  const bool quiet = state == Health::Alive && is_quiet(round.next.sights, node.name, round.in.now);
  const bool silent = quiet || state == Health::Suspect || state == Health::Lost;
  const bool judged = (silent && matters) || (open && is_asked_off(round.view(), node));
  if (state == Health::Dead || fence_is_confirmed(round.view(), node) || !judged) {
    round.next.power.erase(node.name);
    return;
  }
  const auto known = round.next.power.find(node.name);
  const PowerHistory* before = known == round.next.power.end() ? nullptr : &known->second;
  if (!before || showed_life(round, node, *before))
    round.next.power.insert_or_assign(node.name, begin_history(round, node, before));
  PowerHistory& history = round.next.power.at(node.name);
  if (plan_evidence(round, node, history, state)) return;
  if (open)
    carry_on_fence(round, node, history, state);
  else if (quiet)
    plan_read(round, node, history, "its heartbeats beside the store have stopped");
  else if (state == Health::Suspect || !round.in.primary)
    judge_suspect(round, node, history);
  else
    judge_lost(round, node, history);
}

// The node came back in a newer boot: its older boot, the one that owns VMs, is over. The join has checked machine id
// and system UUID (evidence kind 2).
void note_later_boots(Round& round) {
  for (const auto& [uuid, owner] : round.view().owners) {
    const Life& life = owner.value.owner;
    auto node = round.view().nodes.find(life.node);
    if (owner.value.released || node == round.view().nodes.end() || node->second.value.boot == life.boot) continue;
    const auto known = round.view().evidence.find(life.boot);
    const auto vm = round.view().vms.find(uuid);
    const bool is_known = known != round.view().evidence.end();
    if (is_known && (vm == round.view().vms.end() || covers(known->second.value, vm->second.value))) continue;
    CommitEvidence commit = evidence_of(round, EvidenceKind::LaterBoot, life,
                                        {life.node + " joined in boot " + node->second.value.boot +
                                         " with the same machine id and system UUID: boot " + life.boot + " is over"});
    if (is_known) commit.replaces = known->second.version;
    auto live = round.view().live.find({life.node, life.incarnation});
    if (live != round.view().live.end()) {
      commit.live_version = live->second.version;
      commit.session = live->second.session;
    }
    commit.node_version = node->second.version;
    round.plan(commit, {"take boot " + life.boot + " of " + life.node + " for over",
                        "the node joined in a later boot",
                        commit.record.facts,
                        {}});
  }
}

}  // namespace

bool fence_is_open(const ClusterView& view, const NodeRecord& node) {
  auto fence = view.fences.find(node.name);
  return fence != view.fences.end() && fence->second.value.victim == Life{node.name, node.boot, node.incarnation} &&
         fence->second.value.phase != FencePhase::Confirmed;
}

bool is_acted_upon(const Round& round, const NodeName& name) {
  return round.is_under_way("off/" + name) || round.is_under_way("storage/" + name);
}

// The record's version says that it is still this fence, acting, and ours.
bool still_holds(const PowerOff& off, const ClusterView& view) {
  auto fence = view.fences.find(off.victim.node);
  if (fence == view.fences.end() || fence->second.version != off.fence_version) return false;
  if (!view.leader || view.leader->value.epoch != off.epoch) return false;
  auto node = view.nodes.find(off.victim.node);
  if (node == view.nodes.end() || evidence_about(view, off.victim.boot)) return false;
  if (node->second.value.boot != off.victim.boot || node->second.value.incarnation != off.victim.incarnation)
    return false;
  const Live* live = live_of(view, node->second.value);
  return !live || !off.live_counter || live->value.counter == *off.live_counter;
}

bool is_asked_off(const ClusterView& view, const NodeRecord& node) {
  return std::any_of(view.jobs.begin(), view.jobs.end(), [&](const auto& seen) {
    const JobRecord& job = seen.second.value;
    const auto boot = job.arguments.find("boot_id");
    return job.type == "node-fence" && job.state == JobState::Running && job.object == node.name &&
           boot != job.arguments.end() && boot->second == node.boot;
  });
}

void gather_evidence(Round& round) {
  for (const auto& [name, node] : round.view().nodes)
    if (is_ours_to_judge(round, node.value)) gather_about(round, node.value);
  if (round.in.primary) note_later_boots(round);
}

}  // namespace pvcd::logic
