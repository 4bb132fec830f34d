#include "deeds.hpp"

#include "deeds_rare.hpp"

namespace pvcd::sim {
namespace {

constexpr std::int64_t year_us = 365LL * 24 * 3600 * 1'000'000;

Events::Act cut_power(World& world, const Planned& one, bool with_bmc) {
  Node& node = world.node(one.node);
  node.host.power_off();
  if (with_bmc) node.bmc.dead = true;
  const bool comes_back = with_bmc || one.value % 4 != 0 || one.deed == Deed::Reboot;
  return [&world, &node, index = one.node, with_bmc, comes_back] {
    if (with_bmc) node.bmc.dead = false;
    if (comes_back) world.boot(index);
  };
}

// systemd's watchdog ends a process that stands still for long, mostly.
Events::Act pause(World& world, const Planned& one, Process& process, Events::Act restart) {
  if (!process.lives()) return {};
  process.pause();
  const bool killed = one.duration > watchdog_limit && one.value % 5 != 0;
  const std::uint64_t life = process.life();
  if (killed)
    world.events.after(watchdog_limit, [&process, life, restart = std::move(restart)] {
      if (process.life() == life) restart();
    });
  return [&process, life] {
    if (process.life() == life) process.resume();
  };
}

void restart(World& world, std::size_t index, Process& process, Events::Act start) {
  process.end();
  world.events.after(world.random.between(milliseconds(100), seconds(2)),
                     [&world, index, &process, boot = world.node(index).host.boot(), start = std::move(start)] {
                       const Host& host = world.node(index).host;
                       if (host.is_on() && host.boot() == boot && !process.lives()) start();
                     });
}

void restart_core(World& world, std::size_t index) {
  Core& core = world.node(index).core;
  if (core.process.lives()) restart(world, index, core.process, [&core] { core.start(); });
}

void restart_keepalive(World& world, std::size_t index) {
  Keepalive& keepalive = world.node(index).keepalive;
  if (keepalive.process.lives()) restart(world, index, keepalive.process, [&keepalive] { keepalive.start(); });
}

void restart_elector(World& world, std::size_t index) {
  Elector& elector = world.node(index).elector;
  if (elector.worker.process.lives()) restart(world, index, elector.worker.process, [&elector] { elector.start(); });
}

void restart_hypervisor(World& world, std::size_t index) {
  Node& node = world.node(index);
  if (!node.hypervisor.worker.process.lives()) return;
  node.core.lose_facts();
  restart(world, index, node.hypervisor.worker.process, [&node] { node.hypervisor.start(); });
}

void restart_worker(World& world, std::size_t index, Worker& worker) {
  if (worker.process.lives()) restart(world, index, worker.process, [&worker] { worker.start(); });
}

void restart_watchdog(World& world, std::size_t index) {
  Watchdog& watchdog = world.node(index).watchdog;
  if (!watchdog.process.lives()) return;
  watchdog.kill();
  restart(world, index, watchdog.process, [&watchdog] { watchdog.start(); });
}

void kill_qemu(World& world, const Planned& one) {
  std::vector<std::pair<std::size_t, QemuPointer>> running;
  for (const auto& node : world.nodes)
    for (const QemuPointer& qemu : node->host.qemus()) running.emplace_back(node->host.index(), qemu);
  if (running.empty()) return;
  const auto& [index, qemu] = running[one.value % running.size()];
  world.node(index).host.end(qemu, Host::End::Killed);
}

// Nothing else has the image, nor will have it.
void plug_disk(World& world, const Planned& one) {
  std::vector<std::pair<std::size_t, QemuPointer>> running;
  for (const auto& node : world.nodes)
    for (const QemuPointer& qemu : node->host.qemus())
      if (qemu->runs && node->host.runs() && world.network.reaches_ceph(node->host.index()))
        running.emplace_back(node->host.index(), qemu);
  if (running.empty()) return;
  const auto& [index, qemu] = running[one.value % running.size()];
  world.node(index).host.plug(
      qemu, "vms/" + vm_name(qemu->uuid) + "-plugged-" + std::to_string(world.random.next() % 1000000000));
}

// Somebody starts it again once it has ended, however late that is.
void start_again(World& world, std::size_t index, const BootId& boot) {
  Node& node = world.node(index);
  if (!node.host.is_on() || node.host.boot() != boot) return;
  if (node.core.is_stopping() || node.keepalive.is_leaving())
    return world.events.after(seconds(1), [&world, index, boot] { start_again(world, index, boot); });
  if (!node.core.process.lives()) node.core.start();
  if (!node.keepalive.process.lives()) node.keepalive.start();
  if (!node.watchdog.process.lives()) node.watchdog.start();
}

Events::Act leave(World& world, const Planned& one) {
  Node& node = world.node(one.node);
  if (!node.core.process.lives()) return {};
  node.core.stopped = [&node] {
    if (node.keepalive.process.lives()) node.keepalive.leave();
  };
  node.core.role_hook_takes = one.value % 4 == 0 ? seconds(1 + one.value % 15) : milliseconds(1);
  node.core.stop();
  return [&world, index = one.node, boot = node.host.boot()] { start_again(world, index, boot); };
}

Events::Act cut_links(World& world, const std::vector<std::pair<std::size_t, std::size_t>>& links) {
  const auto change = [&world, links](int by) {
    for (const auto& [from, to] : links) world.network.cut(from, to, by);
    world.store.topology_changed();
  };
  change(1);
  return [change] { change(-1); };
}

Events::Act isolate(World& world, const Planned& one) {
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (std::size_t other = 0; other < world.nodes.size(); ++other) {
    if (other == one.node) continue;
    links.emplace_back(one.node, other);
    links.emplace_back(other, one.node);
  }
  const auto cut_bmcs = [&world, index = one.node](int change) {
    for (std::size_t other = 0; other < world.nodes.size(); ++other) world.network.cut_bmc(index, other, change);
  };
  cut_bmcs(1);
  return [join = cut_links(world, links), cut_bmcs] {
    join();
    cut_bmcs(-1);
  };
}

Events::Act split(World& world, const Planned& one) {
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (std::size_t a = 0; a < world.nodes.size(); ++a)
    for (std::size_t b = 0; b < world.nodes.size(); ++b)
      if (((one.value >> a) & 1) != ((one.value >> b) & 1)) links.emplace_back(a, b);
  return cut_links(world, links);
}

template <class Value>
Events::Act set(Value& value, Value during, Value after) {
  value = during;
  return [&value, after] { value = after; };
}

Events::Act misread(World& world, const Planned& one, bool& fault) {
  fault = true;
  world.oracle.misreads(one.node, true);
  return [&world, &fault, node = one.node] {
    fault = false;
    world.oracle.misreads(node, false);
  };
}

// ------------------------------------------------------------------------------------------------------------ people

// A node that a person can reach and that reaches the store.
Core* desk(World& world) {
  std::vector<Core*> able;
  for (const auto& node : world.nodes)
    if (node->host.runs() && node->core.process.runs() && node->core.view().complete) able.push_back(&node->core);
  return able.empty() ? nullptr : world.random.one_of(able);
}

void ask_about_vm(World& world, const Planned& one, const std::string& type) {
  Core* core = desk(world);
  if (!core || core->view().vms.empty()) return;
  auto vm = core->view().vms.begin();
  std::advance(vm, static_cast<std::ptrdiff_t>(one.value % core->view().vms.size()));
  std::map<std::string, std::string> arguments;
  if (type == "vm-move") arguments["node"] = world.node(one.other).host.name();
  core->submit(type, vm->first, arguments);
}

// An operator may be wrong only about a node that shows life, which is then refused: against a wrong word about a
// silent one there is no proof.
void confirm_off(World& world, const Planned& one) {
  Core* core = desk(world);
  if (!core) return;
  for (std::size_t i = 0; i < world.nodes.size(); ++i) {
    const Host& host = world.node((one.node + i) % world.nodes.size()).host;
    auto node = core->view().nodes.find(host.name());
    if (node == core->view().nodes.end()) continue;
    const bool over = !host.is_on() || host.boot() != node->second.value.boot;
    if (over) return core->submit("node-confirm-off", host.name(), {{"boot_id", node->second.value.boot}});
  }
}

void ask_about_node(World& world, const Planned& one, const std::string& type) {
  Core* core = desk(world);
  if (!core) return;
  const NodeName& name = world.node(one.node).host.name();
  if (type == "node-fence") world.oracle.asked_off(name);
  core->submit(type, name, {});
}

void define_vm(World& world, const Planned& one) {
  VmRecord vm;
  vm.name = "late" + std::to_string(one.value % 1000);
  vm.uuid = "uuid-" + vm.name;
  vm.wanted = WantedState::Running;
  vm.memory = 1ULL << 30;
  vm.disks = {{"vda", DiskKind::Rbd, "vms/" + vm.name}};
  world.define(vm);
}

Events::Act maintain(World& world) {
  if (Core* core = desk(world)) core->set_maintenance(true);
  return [&world] { world.set_maintenance(false); };
}

// What the cluster is busy with when it is struck.
const char* phase(const World& world) {
  const EntryPointer leader = world.store.find({Kind::Leader, {}});
  const auto* record = leader ? &std::get<LeaderRecord>(leader->record) : nullptr;
  if (!record || !world.store.find(session_key(record->node, record->incarnation))) return "phase-election";
  bool recovering = false, starting = false;
  for (const auto& [key, entry] : world.store.entries()) {
    if (key.kind == Kind::Fence) return "phase-fencing";
    if (key.kind == Kind::Evidence) recovering = true;
    if (key.kind == Kind::Run) starting = starting || std::get<RunRecord>(entry->record).state == VmState::Starting;
  }
  return recovering ? "phase-recovering" : starting ? "phase-starting" : "phase-quiet";
}

}  // namespace

Events::Act begin(World& world, const Planned& one) {
  Node& node = world.node(one.node);
  const std::string in_phase = phase(world);
  world.tally.count(name_of(one.deed));
  world.tally.count(in_phase);
  world.tally.count(in_phase + "/" + name_of(one.deed));
  world.trace([&] { return "-- " + describe(one); });
  const auto paused = [&](Process& process, void (*restarted)(World&, std::size_t)) {
    return pause(world, one, process, [&world, index = one.node, restarted] { restarted(world, index); });
  };
  switch (one.deed) {
    case Deed::PowerCut:
    case Deed::Reboot:
      return cut_power(world, one, false);
    case Deed::PowerCutBmc:
      return cut_power(world, one, true);
    case Deed::FreezeHost:
      node.host.freeze();
      return [&node] { node.host.thaw(); };
    case Deed::PauseCore:
      return paused(node.core.process, restart_core);
    case Deed::PauseKeepalive:
      return paused(node.keepalive.process, restart_keepalive);
    case Deed::PauseElector:
      return paused(node.elector.worker.process, restart_elector);
    case Deed::PauseHypervisor:
      return paused(node.hypervisor.worker.process, restart_hypervisor);
    case Deed::PauseGuard:
      return pause(world, one, node.guard.worker.process,
                   [&world, &node, index = one.node] { restart_worker(world, index, node.guard.worker); });
    case Deed::PauseFencer:
      return pause(world, one, node.fencer.worker.process,
                   [&world, &node, index = one.node] { restart_worker(world, index, node.fencer.worker); });
    case Deed::PauseWatchdog:
      return paused(node.watchdog.process, restart_watchdog);
    case Deed::KillCore:
      return restart_core(world, one.node), Events::Act();
    case Deed::KillKeepalive:
      return restart_keepalive(world, one.node), Events::Act();
    case Deed::KillElector:
      return restart_elector(world, one.node), Events::Act();
    case Deed::KillHypervisor:
      return restart_hypervisor(world, one.node), Events::Act();
    case Deed::KillGuard:
      return restart_worker(world, one.node, node.guard.worker), Events::Act();
    case Deed::KillFencer:
      return restart_worker(world, one.node, node.fencer.worker), Events::Act();
    case Deed::KillWatchdog:
      return restart_watchdog(world, one.node), Events::Act();
    case Deed::KillQemu:
      return kill_qemu(world, one), Events::Act();
    case Deed::Leave:
      return leave(world, one);
    case Deed::Isolate:
      return isolate(world, one);
    case Deed::OneWay:
      return cut_links(world, {{one.node, one.other}});
    case Deed::Split:
      return split(world, one);
    case Deed::CutCeph:
      world.ceph.falls_silent(one.node);
      world.network.cut_ceph(one.node, 1);
      return [&world, index = one.node] { world.network.cut_ceph(index, -1); };
    case Deed::HalfAnswers:
      return set(node.guard.half_answers, true, false);
    case Deed::MapLag:
      return set(world.ceph.map_lag_max, seconds(8), milliseconds(200));
    case Deed::OsdHangs:
      return set(world.ceph.an_osd_hangs, true, false);
    case Deed::ClockJump:
      return set(node.host.wall_clock_error_us, (one.value % 2 == 0 ? 1 : -1) * year_us, std::int64_t{0});
    case Deed::StoreSlow:
      return set(world.store.extra_latency, milliseconds(100 + one.value % 1400), Microseconds{0});
    case Deed::LoseLeader:
      return world.store.lose_leader(), Events::Act();
    case Deed::StaleView:
      return set(node.core.observer.lag, milliseconds(200 + one.value % 4000), milliseconds(5));
    case Deed::BmcDead:
      return set(node.bmc.dead, true, false);
    case Deed::BmcSlow:
      return misread(world, one, node.bmc.slow);
    case Deed::BmcLies:
      return set(node.bmc.lies, true, false);
    case Deed::BmcFlaps:
      return misread(world, one, node.bmc.flaps);
    case Deed::BmcCut:
      world.network.cut_bmc(one.other, one.node, 1);
      return [&world, one] { world.network.cut_bmc(one.other, one.node, -1); };
    case Deed::LibvirtHangs:
      return set(node.hypervisor.libvirtd_hangs, true, false);
    case Deed::PlugDisk:
      return plug_disk(world, one), Events::Act();
    case Deed::FilesCopied:
      return set(node.host.file_system, "the copy on " + node.host.name(), std::string(shared_file_system));
    case Deed::CreateFails:
      return refuse_creates(world, one);
    case Deed::Unreadable:
      return make_unreadable(world, one);
    case Deed::CrashLoop:
      return crash_again_and_again(world, one), Events::Act();
    case Deed::HangRole:
      return hang_with_election(world);
    case Deed::Switch:
      return cut_links(world, links_of_a_switch(world, one));
    case Deed::Strangers:
      return let_strangers_in(world, one), Events::Act();
    case Deed::ConfirmWrongly:
      return confirm_wrongly(world, one), Events::Act();
    case Deed::ConfirmOff:
      return confirm_off(world, one), Events::Act();
    case Deed::VmDefine:
      return define_vm(world, one), Events::Act();
    case Deed::NodeFence:
    case Deed::VerifyFence:
    case Deed::BecomePrimary:
    case Deed::StepDown:
      return ask_about_node(world, one, name_of(one.deed)), Events::Act();
    case Deed::Maintenance:
      return maintain(world);
    case Deed::VmStart:
    case Deed::VmShutdown:
    case Deed::VmStop:
    case Deed::VmDisable:
    case Deed::VmRestart:
    case Deed::VmMove:
    case Deed::VmUndefine:
      return ask_about_vm(world, one, name_of(one.deed)), Events::Act();
  }
  return {};
}

void do_to(World& world, const Planned& one) {
  if (Events::Act end = begin(world, one)) world.events.after(one.duration, std::move(end));
}

}  // namespace pvcd::sim
