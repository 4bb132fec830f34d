#include "story_states.hpp"

#include "logic/waiting.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

std::string runs_on(const World& world, const std::string& vm) {
  Words nodes;
  for (const auto& node : world.nodes)
    for (const QemuPointer& qemu : node->host.qemus())
      if (qemu->uuid == vm_uuid(vm) && qemu->runs) nodes.push_back(node->host.name());
  return joined(nodes);
}

std::string runs_where(const World& world, const std::string& vm) {
  const std::string nodes = runs_on(world, vm);
  return nodes.empty() ? vm + " runs nowhere" : vm + " runs on " + nodes;
}

const Host& host(const World& world, const std::string& node) { return world.node(world.index_of(node)).host; }

bool has_joined(const World& world, const std::string& name) {
  const auto* node = find<NodeRecord>(world.store.records(), Kind::Node, name);
  return node && node->boot == host(world, name).boot() && world.store.find(session_key(name, node->incarnation));
}

std::string name_of_primary(const World& world) {
  const auto* leader = find<LeaderRecord>(world.store.records(), Kind::Leader);
  const bool holds = leader && world.store.find(session_key(leader->node, leader->incarnation));
  return holds ? leader->node : std::string();
}

const OwnerRecord* owner(const World& world, const std::string& vm) {
  return find<OwnerRecord>(world.store.records(), Kind::Owner, vm_uuid(vm));
}

// What the VM's FailedReason is on a node that sees the store as it is.
std::string missing(const World& world, const std::string& vm) {
  const auto* record = find<VmRecord>(world.store.records(), Kind::Vm, vm_uuid(vm));
  if (!record) return {};
  Shown shown;
  for (const auto& [key, entry] : world.store.entries()) show(key, entry, shown);
  return logic::what_is_missing(shown.view, *record, coordinator_settings(world.coordinators).needs);
}

std::string unless(bool holds, const std::string& otherwise) { return holds ? std::string() : otherwise; }

struct State {
  const char* pattern;
  std::string (*contradiction)(const World&, const Words&);
};

const State states[] = {
    {"<vm> runs on <node>",
     [](const World& world, const Words& values) {
       return unless(runs_on(world, values[0]) == values[1], runs_where(world, values[0]));
     }},
    {"<vm> runs",
     [](const World& world, const Words& values) {
       const std::string nodes = runs_on(world, values[0]);
       return unless(!nodes.empty() && words_of(nodes).size() == 1, runs_where(world, values[0]));
     }},
    {"<vm> runs nowhere",
     [](const World& world, const Words& values) {
       return unless(runs_on(world, values[0]).empty(), runs_where(world, values[0]));
     }},
    {"<vm> says what it waits for",
     [](const World& world, const Words& values) {
       return unless(!missing(world, values[0]).empty(), values[0] + " gives no reason");
     }},
    {"<vm> waits for nothing", [](const World& world, const Words& values) { return missing(world, values[0]); }},
    {"<vm> belongs to <node>",
     [](const World& world, const Words& values) {
       const OwnerRecord* record = owner(world, values[0]);
       const std::string owned_by = record && !record->released ? record->owner.node : "nobody";
       return unless(owned_by == values[1], values[0] + " belongs to " + owned_by);
     }},
    {"<vm> belongs to nobody",
     [](const World& world, const Words& values) {
       const OwnerRecord* record = owner(world, values[0]);
       return unless(!record || record->released, values[0] + " belongs to a node");
     }},
    {"<vm> is not defined",
     [](const World& world, const Words& values) {
       return unless(!find<VmRecord>(world.store.records(), Kind::Vm, vm_uuid(values[0])), values[0] + " is defined");
     }},
    {"<node> is on", [](const World& world,
                        const Words& values) { return unless(host(world, values[0]).is_on(), values[0] + " is off"); }},
    {"<node> is off",
     [](const World& world, const Words& values) {
       return unless(!host(world, values[0]).is_on(), values[0] + " is on");
     }},
    {"<node> takes part",
     [](const World& world, const Words& values) {
       return unless(has_joined(world, values[0]), values[0] + " has not joined");
     }},
    {"<node> does not take part",
     [](const World& world, const Words& values) {
       return unless(!has_joined(world, values[0]), values[0] + " has joined");
     }},
    {"<node> is primary",
     [](const World& world, const Words& values) {
       const std::string node = name_of_primary(world);
       return unless(node == values[0], node.empty() ? "nobody is primary" : node + " is primary");
     }},
    {"<node> is still taking over",
     [](const World& world, const Words& values) {
       const auto* role = find<RoleRecord>(world.store.records(), Kind::Role, values[0]);
       return unless(role && role->state == CoordinatorState::Takeover, values[0] + " does not say so");
     }},
    {"nobody is primary",
     [](const World& world, const Words&) {
       const std::string node = name_of_primary(world);
       return unless(node.empty(), node + " is primary");
     }},
    {"<node> can be fenced",
     [](const World& world, const Words& values) {
       const auto* readiness = find<ReadinessRecord>(world.store.records(), Kind::Readiness, values[0]);
       return unless(readiness && readiness->fence_ready, values[0] + " is not known to be");
     }},
    {"<node> cannot be fenced",
     [](const World& world, const Words& values) {
       const auto* readiness = find<ReadinessRecord>(world.store.records(), Kind::Readiness, values[0]);
       return unless(readiness && !readiness->fence_ready && !readiness->note.empty(), values[0] + " is said to be");
     }},
    {"a fence of <node> is open",
     [](const World& world, const Words& values) {
       const auto* fence = find<FenceRecord>(world.store.records(), Kind::Fence, values[0]);
       return unless(fence && fence->phase != FencePhase::Confirmed, "none is");
     }},
    {"no fence of <node> is open",
     [](const World& world, const Words& values) {
       const auto* fence = find<FenceRecord>(world.store.records(), Kind::Fence, values[0]);
       return unless(!fence || fence->phase == FencePhase::Confirmed, "one is");
     }},
};

}  // namespace

const std::vector<const char*>& state_patterns() {
  static const std::vector<const char*> patterns = [] {
    std::vector<const char*> all;
    for (const State& state : states) all.push_back(state.pattern);
    return all;
  }();
  return patterns;
}

std::string contradiction(const World& world, std::size_t state, const Words& values) {
  return states[state].contradiction(world, values);
}

}  // namespace pvcd::sim
