#include "deeds_rare.hpp"

#include <algorithm>

namespace pvcd::sim {
namespace {

bool may_be_broken(Kind kind) {
  return kind == Kind::Live || kind == Kind::Vm || kind == Kind::Owner || kind == Kind::Run || kind == Kind::Waiting;
}

void crash(World& world, const VmUuid& uuid, Instant end) {
  constexpr Microseconds interval = milliseconds(700);
  if (world.events.now() > end) return;
  for (const auto& node : world.nodes) {
    const auto qemus = node->host.qemus();
    for (const QemuPointer& qemu : qemus)
      if (qemu->uuid == uuid && qemu->runs && node->host.runs()) node->host.end(qemu, Host::End::Killed);
  }
  world.events.after(interval, [&world, uuid, end] { crash(world, uuid, end); });
}

keepalive::OwnFacts facts_of(const NodeName& name, const std::string& machine, const BootId& boot) {
  keepalive::OwnFacts self;
  self.node.name = name;
  self.node.machine_id = "machine-" + machine;
  self.node.system_uuid = "uuid-" + machine;
  self.node.boot = boot;
  self.session = std::uint64_t(-1);
  self.session_timeout_wanted = self.session_timeout_granted = session_timeout;
  return self;
}

}  // namespace

Events::Act make_unreadable(World& world, const Planned& one) {
  std::vector<Key> keys;
  for (const auto& [key, entry] : world.store.entries())
    if (may_be_broken(key.kind)) keys.push_back(key);
  if (keys.empty()) return {};
  const Key key = keys[one.value % keys.size()];
  world.store.set_readable(key, false);
  return [&world, key] { world.store.set_readable(key, true); };
}

void crash_again_and_again(World& world, const Planned& one) {
  if (world.definitions.empty()) return;
  auto vm = world.definitions.begin();
  std::advance(vm, static_cast<std::ptrdiff_t>(one.value % world.definitions.size()));
  crash(world, vm->first, world.events.now() + one.duration);
}

// Sometimes everywhere, as after a bad update. A VM that has crashed there has to go elsewhere, if there is a place.
Events::Act refuse_creates(World& world, const Planned& one) {
  std::vector<Node*> nodes;
  for (const auto& node : world.nodes)
    if (node->host.index() == one.node || one.value % 4 == 0) nodes.push_back(node.get());
  for (Node* node : nodes) node->hypervisor.refuses_to_create = true;
  Host& host = world.node(one.node).host;
  if (one.value % 2 == 0 && host.runs() && !host.qemus().empty()) {
    const QemuPointer qemu = host.qemus().front();
    host.end(qemu, Host::End::Killed);
  }
  return [nodes] {
    for (Node* node : nodes) node->hypervisor.refuses_to_create = false;
  };
}

Events::Act hang_with_election(World& world) {
  const auto* leader = find<LeaderRecord>(world.store.records(), Kind::Leader);
  if (!leader || leader->node.empty()) return {};
  Node& node = world.node(world.index_of(leader->node));
  std::vector<std::pair<Process*, std::uint64_t>> hung;
  for (Process* process : {&node.core.process, &node.elector.worker.process}) {
    if (!process->lives()) continue;
    process->pause();
    hung.emplace_back(process, process->life());
  }
  return [hung] {
    for (const auto& [process, life] : hung)
      if (process->life() == life) process->resume();
  };
}

void let_strangers_in(World& world, const Planned& one) {
  const NodeName& name = world.node(one.node).host.name();
  const BootId boot = "boot-of-a-stranger";
  const auto* known = find<NodeRecord>(world.store.records(), Kind::Node, name);
  if (!known) return;
  const bool lives = world.store.find(session_key(name, known->incarnation)) != nullptr;
  struct Stranger {
    const char* what;
    NodeName name;
    keepalive::OwnFacts facts;
  };
  std::vector<Stranger> strangers = {
      {"a second machine under a known name", name, facts_of(name, "other", boot)},
      {"a known machine under a second name", "other", facts_of("other", name, boot)},
      {"a node with a session shorter than configured", "other", facts_of("other", "other", boot)},
  };
  strangers[2].facts.session_timeout_granted = session_timeout - 1;
  if (lives) strangers.push_back({"a copy of a machine that lives", name, facts_of(name, name, boot)});
  for (const Stranger& each : strangers) {
    const auto decision = keepalive::decide_join(look_at(world, each.name, boot), each.facts);
    const bool in =
        std::holds_alternative<keepalive::Join>(decision) || std::holds_alternative<keepalive::Resume>(decision);
    if (in) world.oracle.fail("identity", std::string(each.what) + " may join");
  }
  const auto decision = keepalive::decide_join(look_at(world, "other", boot), facts_of("other", "other", boot));
  if (!std::holds_alternative<keepalive::Join>(decision)) world.oracle.fail("S10", "a new node may not join");
}

void confirm_wrongly(World& world, const Planned& one) {
  for (const auto& node : world.nodes) {
    const auto* record = find<NodeRecord>(world.store.records(), Kind::Node, world.node(one.node).host.name());
    if (!node->host.runs() || !node->core.process.runs() || !node->core.view().complete || !record) continue;
    return node->core.submit("node-confirm-off", record->name, {{"boot_id", record->boot}});
  }
}

std::vector<std::pair<std::size_t, std::size_t>> links_of_a_switch(const World& world, const Planned& one) {
  const std::size_t servers = world.coordinators.size(), count = world.nodes.size();
  const std::size_t lost = (servers - 1) / 2, first = one.value % servers;
  const auto is_cut = [&](std::size_t node) { return node >= servers || (node + servers - first) % servers < lost; };
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (std::size_t a = 0; a < count; ++a)
    for (std::size_t b = 0; b < count; ++b)
      if (is_cut(a) != is_cut(b)) links.emplace_back(a, b);
  return links;
}

}  // namespace pvcd::sim
