#include "logic/placement.hpp"

#include <algorithm>
#include <cstdio>
#include <tuple>

namespace pvcd::logic {
namespace {

std::string gibibytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1024.0 * 1024 * 1024));
  return text;
}

// Why the node cannot take the VM; empty: it can.
std::string objection(const ClusterView& view, const VmRecord& vm, const NodeRecord& node, std::uint64_t promised, const Sights& sights,
                      Instant now, Microseconds suspect_after) {
  if (!vm.node_limit.empty() && std::find(vm.node_limit.begin(), vm.node_limit.end(), node.name) == vm.node_limit.end())
    return "not in the node limit of " + vm.name;
  if (health(view, sights, node.name, now, suspect_after) != Health::Alive) return "not known to be alive";
  if (last_word(view, node.name) != DaemonState::Run) return "not in state run";
  if (view.fences.contains(node.name)) return "being fenced";
  if (node.memory_total < promised || node.memory_total - promised < vm.memory)
    return gibibytes(node.memory_total < promised ? 0 : node.memory_total - promised) + " not promised to others, " + vm.name + " needs " +
           gibibytes(vm.memory);
  const Live* live = live_of(view, node);
  if (live->value.memory_free < vm.memory)
    return gibibytes(live->value.memory_free) + " free, " + vm.name + " needs " + gibibytes(vm.memory);
  return {};
}

}  // namespace

std::map<NodeName, std::uint64_t> provisioned_memory(const ClusterView& view) {
  std::map<NodeName, std::uint64_t> provisioned;
  for (const auto& [uuid, owner] : view.owners) {
    auto vm = view.vms.find(uuid);
    if (vm == view.vms.end() || owner.value.released) continue;
    provisioned[owner.value.owner.node] += vm->second.value.memory;
  }
  return provisioned;
}

Placement place(const ClusterView& view, const VmRecord& vm, const std::map<NodeName, std::uint64_t>& provisioned, const Sights& sights,
                Instant now, Microseconds suspect_after) {
  Placement result;
  std::optional<std::tuple<bool, std::uint64_t>> best;
  for (const auto& [name, node] : view.nodes) {
    auto found = provisioned.find(name);
    const std::uint64_t promised = found == provisioned.end() ? 0 : found->second;
    const std::string no = objection(view, vm, node.value, promised, sights, now, suspect_after);
    if (!no.empty()) {
      result.rejected.push_back(name + ": " + no);
      continue;
    }
    const std::tuple rank{name == vm.home, node.value.memory_total - promised};
    if (best && *best >= rank) {
      result.rejected.push_back(name + ": fits, but another is preferred");
      continue;
    }
    if (best) result.rejected.push_back(result.node + ": fits, but another is preferred");
    best = rank;
    result.node = name;
  }
  return result;
}

}  // namespace pvcd::logic
