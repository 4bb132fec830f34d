#include "world.hpp"

#include <cstdio>

namespace pvcd::sim {
namespace {

std::size_t coordinator_count(std::size_t nodes) { return nodes >= 5 ? 5 : 3; }

}  // namespace

Node::Node(World& world, std::size_t index)
    : host(world, index),
      bmc(world, index),
      keepalive(world, index),
      core(world, index),
      elector(world, index),
      hypervisor(world, index),
      guard(world, index),
      fencer(world, index),
      watchdog(world, index) {
  for (Process* process : {&keepalive.process, &core.process, &elector.worker.process, &hypervisor.worker.process,
                           &guard.worker.process, &fencer.worker.process, &watchdog.process})
    host.own(*process);
}

World::World(std::uint64_t seed, std::size_t count, bool told)
    : random(seed),
      network(count),
      store(events, random, network, coordinator_count(count)),
      ceph(events, random),
      oracle(*this),
      chronicle(events),
      tracing(told) {
  for (std::size_t i = 0; i < coordinator_count(count); ++i) coordinators.push_back("n" + std::to_string(i + 1));
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(std::make_unique<Node>(*this, i));
  store.is_up = [this](std::size_t server) { return node(server).host.runs() && !store_out; };
  store.on_change = [this](const Author& author, const Key& key, const Entry* before, const Entry* after) {
    oracle.changed(author, key, before, after);
    chronicle.changed(node(author.node).host.name(), key, before, after);
  };
  store.on_commit = [this](bool heartbeat) {
    for (const auto& each : nodes) each->core.store_changed(heartbeat);
  };
  store.on_leader = [this] { tally.count("store-leaders"); };
}

std::size_t World::index_of(const NodeName& name) const {
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i]->host.name() == name) return i;
  return 0;
}

void World::boot(std::size_t index) {
  Node& one = node(index);
  if (one.host.is_on()) return;
  one.host.power_on();
  // No process lives before its unit starts it, so the start is the world's, and void if the power fails meanwhile.
  const auto later = [&](Microseconds least, Microseconds most, Events::Act start) {
    events.after(random.between(least, most), [this, index, boot = one.host.boot(), start = std::move(start)] {
      const Host& host = node(index).host;
      if (host.is_on() && host.boot() == boot) start();
    });
  };
  later(milliseconds(500), seconds(3), [&one] { one.keepalive.start(); });
  later(milliseconds(500), seconds(3), [&one] { one.core.start(); });
  later(milliseconds(500), seconds(3), [&one] { one.elector.start(); });
  later(milliseconds(500), seconds(3), [&one] { one.hypervisor.start(); });
  later(milliseconds(500), seconds(3), [&one] { one.guard.worker.start(); });
  later(milliseconds(500), seconds(3), [&one] { one.fencer.worker.start(); });
  if (one.watchdog.wanted) later(milliseconds(500), seconds(3), [&one] { one.watchdog.start(); });
}

void World::domain_changed(std::size_t index, const VmUuid& uuid) {
  Node& one = node(index);
  if (!one.hypervisor.worker.process.lives()) return;
  one.hypervisor.worker.process.after(random.between(milliseconds(1), milliseconds(20)), [&one, uuid] {
    DomainState state = DomainState::Gone;
    for (const QemuPointer& qemu : one.host.qemus())
      if (qemu->uuid == uuid) state = one.hypervisor.state_of(*qemu);
    if (state == DomainState::Unknown) return;
    one.core.take_fact(uuid, state);
  });
}

void World::disks_changed(std::size_t index, const VmUuid& uuid) {
  Node& one = node(index);
  if (!one.hypervisor.worker.process.lives()) return;
  one.hypervisor.worker.process.after(random.between(milliseconds(1), milliseconds(20)),
                                      [&one, uuid] { one.core.take_images(uuid); });
}

// A person who reads the journal reboots it. Until then it has destroyed what is of the past (scenario D10), unless
// something kept it from that.
void World::needs_reboot(std::size_t index) {
  const auto soon = [this, index, boot = node(index).host.boot()](Microseconds when, auto act) {
    events.after(when, [this, index, boot, act] {
      if (node(index).host.is_on() && node(index).host.boot() == boot) act();
    });
  };
  const auto merges = [this, index] {
    const Node& one = node(index);
    const bool able = one.host.runs() && one.core.process.runs() && one.core.view().complete &&
                      one.hypervisor.worker.process.runs() && one.hypervisor.has_listed() && store.serves(index);
    return able && store.find({Kind::Evidence, one.host.boot()}) && !one.host.qemus().empty();
  };
  soon(seconds(25), [this, index, soon, merges] {
    const bool merged = merges();
    soon(seconds(10), [this, index, merged, merges] {
      if (merged && merges()) oracle.fail("merge", node(index).host.name() + " was declared dead and runs its VMs on");
      tally.count("reboots-asked-for");
      node(index).host.power_off();
      events.after(seconds(2), [this, index] { this->boot(index); });
    });
  });
}

void World::define(const VmRecord& vm) {
  definitions[vm.uuid] = vm;
  Changes changes{Put{{Kind::Name, vm.name}, vm.uuid, std::nullopt}, Put{{Kind::Vm, vm.uuid}, vm, std::nullopt}};
  for (const Key& image : image_keys(vm)) changes.push_back(Put{image, vm.uuid, std::nullopt});
  store.commit_now(changes, {0, Part::Person, 0});
}

void World::set_maintenance(bool on) {
  const EntryPointer entry = store.find({Kind::Cluster, {}});
  if (!entry) return;
  ClusterRecord cluster = std::get<ClusterRecord>(entry->record);
  cluster.maintenance = on;
  store.commit_now({Put{{Kind::Cluster, {}}, cluster, any_version}}, {0, Part::Person, 0});
}

std::string World::time_text() const {
  char text[32];
  std::snprintf(text, sizeof text, "%9.3f s", static_cast<double>(events.now()) / 1e6);
  return text;
}

}  // namespace pvcd::sim
