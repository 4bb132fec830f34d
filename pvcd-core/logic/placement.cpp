#include "logic/placement.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <tuple>
#include <utility>

#include "logic/self_fence.hpp"

namespace pvcd::logic {
namespace {

std::string gibibytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1024.0 * 1024 * 1024));
  return text;
}

Promised promised_on(const Promises& promises, const NodeName& node) {
  auto found = promises.find(node);
  return found == promises.end() ? Promised{} : found->second;
}

std::string too_little(std::uint64_t bytes, const char* what, const VmRecord& vm) {
  return gibibytes(bytes) + what + vm.name + " needs " + gibibytes(vm.memory);
}

// Absurd sizes must not add up to a small one.
std::uint64_t sum(std::uint64_t one, std::uint64_t other) {
  return other > std::numeric_limits<std::uint64_t>::max() - one ? std::numeric_limits<std::uint64_t>::max()
                                                                 : one + other;
}

// Of VMs whose owner cannot be read: where they ran last, or else on any node.
Promises promised_to_who_knows_where(const ClusterView& view) {
  static const std::string owners = "/owners/";
  Promises promises;
  for (auto broken = view.broken.lower_bound(owners); broken != view.broken.end() && broken->first.starts_with(owners);
       ++broken) {
    const VmUuid uuid = broken->first.substr(owners.size());
    const auto vm = view.vms.find(uuid);
    if (vm == view.vms.end()) continue;
    const auto run = view.runs.find(uuid);
    for (const auto& [name, node] : view.nodes)
      if (run == view.runs.end() || run->second.value.life.node == name)
        promise(promises, name, vm->second.value, false);
  }
  return promises;
}

bool is_fenced(const ClusterView& view, const NodeRecord& node) {
  const auto fence = view.fences.find(node.name);
  return fence != view.fences.end() && fence->second.value.victim.boot == node.boot;
}

// What a node that has just booted gets over by itself. Its join becomes visible in pieces.
std::string objection_of_start(const ClusterView& view, const VmRecord& vm, const NodeRecord& node, Health seen,
                               const Sights& sights, const CoordinatorSettings& settings) {
  if (seen != Health::Alive) return "not known to be alive";
  if (last_word(sights, node.name) != DaemonState::Run) return "not in state run";
  if (view.fences.contains(node.name)) return "the fence of its earlier boot is still open";
  // Its keepalive may live while nothing there would start a VM.
  const UnitNeeds needs = needs_of(vm, settings.needs);
  if (const std::string no = unit_objection(live_of(view, node)->value, needs); !no.empty()) return no;
  return objection_of_watchdog(*live_of(view, node));
}

bool is_booting(const ClusterView& view, const NodeName& name) {
  const Live* live = live_of(view, view.nodes.at(name).value);
  return !live || live->value.counter <= beats_while_booting;
}

// The last owner's node, if it runs a later boot: what it left behind there is its own to flush.
NodeName where_it_ran(const ClusterView& view, const VmRecord& vm) {
  const auto owner = view.owners.find(vm.uuid);
  if (owner == view.owners.end() || owner->second.value.released) return {};
  const Life& life = owner->second.value.owner;
  const auto node = view.nodes.find(life.node);
  return node != view.nodes.end() && node->second.value.boot != life.boot ? life.node : NodeName();
}

std::uint64_t rest(std::uint64_t of, std::uint64_t without) { return of < without ? 0 : of - without; }

}  // namespace

std::string list_of(const std::vector<std::string>& rejected) {
  static constexpr std::size_t named_max = 10;
  std::string list;
  for (std::size_t i = 0; i < std::min(rejected.size(), named_max); ++i) list += (i == 0 ? "" : "; ") + rejected[i];
  if (rejected.size() <= named_max) return list;
  return list + "; and " + std::to_string(rejected.size() - named_max) + " more";
}

Promises promised_memory(const ClusterView& view) {
  Promises promises = promised_to_who_knows_where(view);
  for (const auto& [uuid, owner] : view.owners) {
    if (owner.value.released || evidence_about(view, owner.value.owner.boot)) continue;
    auto vm = view.vms.find(uuid);
    if (vm == view.vms.end()) {
      if (view.broken.contains("/vms/" + uuid)) promises[owner.value.owner.node].unknown = true;
      continue;
    }
    auto run = view.runs.find(uuid);
    const bool runs = run != view.runs.end() && run->second.value.generation == owner.value.generation &&
                      run->second.value.state == VmState::Running;
    promise(promises, owner.value.owner.node, vm->second.value, runs);
  }
  return promises;
}

void promise(Promises& promises, const NodeName& node, const VmRecord& vm, bool taken) {
  Promised& promised = promises[node];
  promised.total = sum(promised.total, vm.memory);
  if (!taken) promised.not_taken = sum(promised.not_taken, vm.memory);
}

void keep_room(Promises& promises, const NodeName& node, const VmRecord& vm) {
  promises[node].kept = sum(promises[node].kept, vm.memory);
}

bool is_pinned(const VmRecord& vm) {
  return std::any_of(vm.disks.begin(), vm.disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Local; });
}

NodeName pinned_to(const ClusterView& view, const VmRecord& vm) {
  if (!is_pinned(vm)) return {};
  auto owner = view.owners.find(vm.uuid);
  return owner == view.owners.end() ? vm.home : owner->second.value.owner.node;
}

bool matters_more(const VmRecord* a, const VmRecord* b) {
  return a->priority != b->priority ? a->priority > b->priority : a->name < b->name;
}

bool has_failed_on(const ClusterView& view, const VmUuid& uuid, const NodeName& node) {
  const auto owner = view.owners.find(uuid);
  if (owner == view.owners.end()) return false;
  const auto& failed_on = owner->second.value.failed_on;
  return std::find(failed_on.begin(), failed_on.end(), node) != failed_on.end();
}

namespace {

// What does not go away by itself while the node boots.
std::string lasting_objection(const ClusterView& view, const VmRecord& vm, const NodeRecord& node, Health seen,
                              const Promises& promises, const Sights& sights, Instant now) {
  if (!vm.node_limit.empty() && std::find(vm.node_limit.begin(), vm.node_limit.end(), node.name) == vm.node_limit.end())
    return "not in the node limit of " + vm.name;
  const NodeName pin = pinned_to(view, vm);
  if (!pin.empty() && pin != node.name) return "does not have the local disks of " + vm.name;
  if (seen == Health::Lost || seen == Health::Dead) return "not known to be alive";
  if (is_flapping(sights, node.name, now))
    return "flapping: its heartbeat was away " + std::to_string(hiccups(sights, node.name, now)) + " times within " +
           std::to_string(flapping_window / seconds(1)) + " s";
  if (is_fenced(view, node)) return "being fenced";
  const Promised promised = promised_on(promises, node.name);
  if (promised.unknown) return "owns a VM whose record cannot be read, and may need its memory";
  const std::uint64_t kept = where_it_ran(view, vm) == node.name ? 0 : promised.kept;
  const std::uint64_t unpromised = rest(node.memory_total, sum(promised.total, kept));
  if (unpromised < vm.memory) return too_little(unpromised, " not promised to others, ", vm);
  const Live* live = live_of(view, node);
  const bool is_measured = live && live->value.counter > 0;  // a join says nothing of it, the first heartbeat does
  const std::uint64_t free = is_measured ? rest(live->value.memory_free, sum(promised.not_taken, kept)) : unpromised;
  if (free < vm.memory) return too_little(free, " free, ", vm);
  return {};
}

}  // namespace

std::string objection(const ClusterView& view, const VmRecord& vm, const NodeRecord& node, const Promises& promises,
                      const Sights& sights, Instant now, const CoordinatorSettings& settings) {
  const Health seen = health(view, sights, node.name, now, settings.suspect_after);
  const std::string lasting = lasting_objection(view, vm, node, seen, promises, sights, now);
  return lasting.empty() ? objection_of_start(view, vm, node, seen, sights, settings) : lasting;
}

namespace {

// Nothing but its start is missing there.
bool will_take(const ClusterView& view, const VmRecord& vm, const NodeName& name, const Promises& promises,
               const Sights& sights, Instant now, const CoordinatorSettings& settings) {
  if (has_failed_on(view, vm.uuid, name) || !is_booting(view, name)) return false;
  const Health seen = health(view, sights, name, now, settings.suspect_after);
  return lasting_objection(view, vm, view.nodes.at(name).value, seen, promises, sights, now).empty();
}

}  // namespace

Placement place(const ClusterView& view, const VmRecord& vm, const Promises& promises, const Sights& sights,
                Instant now, const CoordinatorSettings& settings, const NodeName& leaving) {
  Placement result;
  const NodeName ran_on = where_it_ran(view, vm);
  const NodeName& preferred = ran_on.empty() ? vm.home : ran_on;
  std::optional<std::tuple<bool, bool, std::uint64_t>> best;
  bool another_stayed = false;  // one that could take it was not off
  const auto reject = [&](const NodeName& name) {
    const bool failed = has_failed_on(view, vm.uuid, name);
    result.rejected.push_back(
        name + (failed ? ": " + vm.name + " could not be started there" : ": fits, but another is preferred"));
  };
  for (const auto& [name, node] : view.nodes) {
    const std::string no =
        name == leaving ? "it is to leave this one" : objection(view, vm, node.value, promises, sights, now, settings);
    if (!no.empty()) {
      result.rejected.push_back(name + ": " + no);
      continue;
    }
    another_stayed |= !is_booting(view, name);
    const std::tuple rank{!has_failed_on(view, vm.uuid, name), name == preferred,
                          rest(node.value.memory_total, promised_on(promises, name).total)};
    if (best && *best >= rank) {
      reject(name);
      continue;
    }
    if (best) reject(result.node);
    best = rank;
    result.node = name;
  }
  const bool may_wait = best && !another_stayed && !ran_on.empty() && ran_on != result.node;
  if (may_wait && will_take(view, vm, ran_on, promises, sights, now, settings)) {
    result.awaited = ran_on;
    result.otherwise = std::exchange(result.node, {});
  }
  return result;
}

}  // namespace pvcd::logic
