#include "story_commands.hpp"

#include <algorithm>

#include "deeds.hpp"
#include "story.hpp"

namespace pvcd::sim {
namespace {

// Until it is undone; so long, systemd does not let a process stand still.
constexpr Microseconds no_end = seconds(3600);
constexpr Microseconds reboot_time = seconds(3);

struct Stage {
  World& world;
  const Story& story;
  const Words& values;

  std::size_t index(std::size_t value) const { return world.index_of(values[value]); }
  Node& node(std::size_t value) const { return world.node(index(value)); }
  std::vector<std::size_t> indices(std::size_t value) const {
    std::vector<std::size_t> all;
    for (const std::string& name : words_of(values[value])) all.push_back(world.index_of(name));
    return all;
  }
};

Events::Act nothing() { return {}; }

// One of the deeds that the seeds do, too.
Events::Act deed(const Stage& stage, Deed what, std::size_t node, std::size_t other = 0) {
  Planned one;
  one.deed = what;
  one.node = node;
  one.other = other;
  one.duration = no_end;
  one.value = 1;
  return begin(stage.world, one);
}

Events::Act all_of(std::vector<Events::Act> ends) {
  return [ends = std::move(ends)] {
    for (const Events::Act& end : ends)
      if (end) end();
  };
}

Events::Act deeds(const Stage& stage, Deed what) {
  std::vector<Events::Act> ends;
  for (const std::size_t node : stage.indices(0)) ends.push_back(deed(stage, what, node));
  return all_of(std::move(ends));
}

template <class Value>
Events::Act set(Value& value, Value during) {
  return [&value, before = std::exchange(value, during)] { value = before; };
}

// ---------------------------------------------------------------------------------------------------------- hosts

Events::Act boot(const Stage& stage) {
  for (const std::size_t node : stage.indices(0)) stage.world.boot(node);
  return nothing();
}

Events::Act reboot(const Stage& stage) {
  for (const std::size_t node : stage.indices(0)) {
    stage.world.node(node).host.power_off();
    stage.world.events.after(reboot_time, [&world = stage.world, node] { world.boot(node); });
  }
  return nothing();
}

// -------------------------------------------------------------------------------------------------------- network

Events::Act cut_links(const Stage& stage, bool both_ways) {
  std::vector<Events::Act> ends;
  for (const std::size_t a : stage.indices(0))
    for (const std::size_t b : stage.indices(1)) {
      ends.push_back(deed(stage, Deed::OneWay, a, b));
      if (both_ways) ends.push_back(deed(stage, Deed::OneWay, b, a));
    }
  return all_of(std::move(ends));
}

Events::Act cut_bmc(const Stage& stage) {
  std::vector<Events::Act> ends;
  for (const std::size_t node : stage.indices(0)) ends.push_back(deed(stage, Deed::BmcCut, stage.index(1), node));
  return all_of(std::move(ends));
}

// ------------------------------------------------------------------------------------------------------ processes

Deed deed_to(const std::string& part, bool pauses) {
  if (part == "core") return pauses ? Deed::PauseCore : Deed::KillCore;
  if (part == "keepalive") return pauses ? Deed::PauseKeepalive : Deed::KillKeepalive;
  if (part == "election") return pauses ? Deed::PauseElector : Deed::KillElector;
  if (part == "libvirt") return pauses ? Deed::PauseHypervisor : Deed::KillHypervisor;
  if (part == "watchdog") return pauses ? Deed::PauseWatchdog : Deed::KillWatchdog;
  if (part == "rbd-locks") return pauses ? Deed::PauseGuard : Deed::KillGuard;
  return pauses ? Deed::PauseFencer : Deed::KillFencer;
}

Events::Act kill_qemu(const Stage& stage) {
  for (const auto& node : stage.world.nodes) {
    const auto qemus = node->host.qemus();
    for (const QemuPointer& qemu : qemus)
      if (vm_name(qemu->uuid) == stage.values[0]) node->host.end(qemu, Host::End::Killed);
  }
  return nothing();
}

Events::Act plug_disk(const Stage& stage) {
  for (const auto& node : stage.world.nodes)
    for (const QemuPointer& qemu : node->host.qemus())
      if (vm_name(qemu->uuid) == stage.values[0])
        node->host.plug(qemu, "vms/" + stage.values[0] + "-plugged-" + std::to_string(qemu->instances.size()));
  return nothing();
}

// By virsh, of the XML that the story has: pvcd need not know the VM.
Events::Act start_by_hand(const Stage& stage) {
  for (const StoryVm& vm : stage.story.vms)
    if (vm.record.name == stage.values[0]) stage.node(1).host.start_by_hand(vm.record);
  return nothing();
}

// ----------------------------------------------------------------------------------------------------------- Ceph

// A client that is no QEMU of ours, such as a backup, has the last disk of the VM open.
Events::Act open_disk(const Stage& stage) {
  const std::size_t node = stage.index(0);
  World& world = stage.world;
  auto client = std::make_shared<Instance>();
  client->address = world.node(node).host.address() + ":0/1";
  for (const StoryVm& vm : stage.story.vms)
    for (const Disk& disk : vm.record.disks)
      if (vm.record.name == stage.values[1] && disk.kind == DiskKind::Rbd) client->image = disk.source;
  client->node = node;
  client->responds = [&world, node] { return world.node(node).host.runs() && world.network.reaches_ceph(node); };
  world.ceph.open(client);
  return [&world, client] { world.ceph.close(client->image, client->address); };
}

// ---------------------------------------------------------------------------------------------------------- store

Events::Act store_out(const Stage& stage) {
  const auto change = [&world = stage.world](bool out) {
    world.store_out = out;
    world.store.topology_changed();
  };
  change(true);
  return [change] { change(false); };
}

// Ended by who alone can: an operator puts back the newest data that any server had.
Events::Act take_store_back(const Stage& stage) {
  Store& store = stage.world.store;
  const Entries newest = store.records();
  const Instant now = stage.world.events.now();
  store.restore(store.as_of(now - std::min(now, *number_in(stage.values[0]))));
  return [&store, newest] { store.restore(newest); };
}

Events::Act lose_newest_data(const Stage& stage) {
  take_store_back(stage);
  return nothing();
}

Events::Act accept_store(const Stage& stage) {
  for (const auto& node : stage.world.nodes)
    if (node->core.process.runs()) {
      node->core.accept_store();
      break;
    }
  return nothing();
}

// --------------------------------------------------------------------------------------------------------- people

// A person who finds the store out tries again.
void when_the_store_works(World& world, Events::Act act, unsigned tries_left = 60) {
  if (world.store.has_majority()) return act();
  if (tries_left > 0)
    world.events.after(
        seconds(1), [&world, act = std::move(act), tries_left] { when_the_store_works(world, act, tries_left - 1); });
}

Events::Act ask(const Stage& stage, const std::string& type, const std::string& object,
                const std::map<std::string, std::string>& arguments = {}) {
  JobRecord job;
  job.type = type;
  job.object = object;
  job.arguments = arguments;
  job.started_on = "n1";
  when_the_store_works(stage.world, [&world = stage.world, job] {
    world.store.commit_now({Append{Kind::Job, job}}, {0, Part::Person, 0});
  });
  return nothing();
}

Events::Act ask_vm(const Stage& stage, const std::string& type) { return ask(stage, type, vm_uuid(stage.values[0])); }

Events::Act move(const Stage& stage) {
  return ask(stage, "vm-move", vm_uuid(stage.values[0]),
             {{"node", stage.values.size() > 1 ? stage.values[1] : std::string()}});
}

Events::Act define(const Stage& stage) {
  for (const StoryVm& vm : stage.story.vms)
    if (vm.record.name == stage.values[0]) stage.world.define(vm.record);
  return nothing();
}

Events::Act fence(const Stage& stage) {
  stage.world.oracle.asked_off(stage.values[0]);
  return ask(stage, "node-fence", stage.values[0]);
}

// The boot that the cluster knows, as a person reads it off the node's BootId.
Events::Act confirm_off(const Stage& stage) {
  const EntryPointer node = stage.world.store.find({Kind::Node, stage.values[0]});
  if (!node) return nothing();
  return ask(stage, "node-confirm-off", stage.values[0], {{"boot_id", std::get<NodeRecord>(node->record).boot}});
}

Events::Act maintain(const Stage& stage) {
  const auto change = [&world = stage.world](bool on) {
    when_the_store_works(world, [&world, on] { world.set_maintenance(on); });
  };
  change(true);
  return [change] { change(false); };
}

struct Word {
  const char* pattern;
  bool lasts;
  Events::Act (*begin)(const Stage&);
};

constexpr bool at_once = false;
constexpr bool until_undone = true;

const Word words[] = {
    {"cut power of <nodes>", until_undone, [](const Stage& stage) { return deeds(stage, Deed::PowerCut); }},
    {"cut power of <nodes> with BMC", until_undone, [](const Stage& stage) { return deeds(stage, Deed::PowerCutBmc); }},
    {"boot <nodes>", at_once, boot},
    {"reboot <nodes>", at_once, reboot},
    {"freeze <nodes>", until_undone, [](const Stage& stage) { return deeds(stage, Deed::FreezeHost); }},
    {"isolate <nodes>", until_undone, [](const Stage& stage) { return deeds(stage, Deed::Isolate); }},
    {"cut <nodes> from <nodes>", until_undone, [](const Stage& stage) { return cut_links(stage, true); }},
    {"cut the way from <nodes> to <nodes>", until_undone, [](const Stage& stage) { return cut_links(stage, false); }},
    {"cut <nodes> from Ceph", until_undone, [](const Stage& stage) { return deeds(stage, Deed::CutCeph); }},
    {"cut <nodes> from the BMC of <node>", until_undone, cut_bmc},
    {"the wall clocks of <nodes> jump", until_undone, [](const Stage& stage) { return deeds(stage, Deed::ClockJump); }},
    {"pause <part> on <node>", until_undone,
     [](const Stage& stage) { return deed(stage, deed_to(stage.values[0], true), stage.index(1)); }},
    {"kill <part> on <node>", at_once,
     [](const Stage& stage) { return deed(stage, deed_to(stage.values[0], false), stage.index(1)); }},
    {"the watchdog of <node> is missing", until_undone,
     [](const Stage& stage) { return set(stage.node(0).watchdog.fitted, false); }},
    {"stop pvcd on <nodes>", until_undone, [](const Stage& stage) { return deeds(stage, Deed::Leave); }},
    {"kill QEMU of <vm>", at_once, kill_qemu},
    {"plug a disk into <vm>", at_once, plug_disk},
    {"start <vm> by hand on <node>", at_once, start_by_hand},
    {"the BMC of <node> is dead", until_undone, [](const Stage& stage) { return set(stage.node(0).bmc.dead, true); }},
    {"the BMC of <node> lies", until_undone, [](const Stage& stage) { return set(stage.node(0).bmc.lies, true); }},
    {"the BMC of <node> is slow", until_undone, [](const Stage& stage) { return set(stage.node(0).bmc.slow, true); }},
    {"the BMC of <node> flaps", until_undone, [](const Stage& stage) { return set(stage.node(0).bmc.flaps, true); }},
    {"the BMC of <node> reads off", until_undone,
     [](const Stage& stage) { return set(stage.node(0).bmc.reads_off, true); }},
    {"the BMC of <node> is that of <node>", until_undone,
     [](const Stage& stage) { return set(stage.node(0).bmc.wired_to, stage.index(1)); }},
    {"libvirt on <node> hangs", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.libvirtd_hangs, true); }},
    {"answers of libvirt on <node> are lost", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.answers_are_lost, true); }},
    {"libvirt on <node> cannot read <vm>", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.unreadable, vm_uuid(stage.values[1])); }},
    {"starts on <node> fail", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.refuses_to_create, true); }},
    {"<node> has a copy of the shared files", until_undone,
     [](const Stage& stage) { return deed(stage, Deed::FilesCopied, stage.index(0)); }},
    {"kills on <node> fail", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.cannot_kill, true); }},
    {"guests on <node> do not listen", until_undone,
     [](const Stage& stage) { return set(stage.node(0).hypervisor.guests_do_not_listen, true); }},
    {"a client on <node> opens the disk of <vm>", until_undone, open_disk},
    {"an OSD hangs", until_undone, [](const Stage& stage) { return deed(stage, Deed::OsdHangs, 0); }},
    {"Ceph refuses to blocklist", until_undone,
     [](const Stage& stage) { return set(stage.world.ceph.refuses_to_blocklist, true); }},
    {"OSDs learn late", until_undone, [](const Stage& stage) { return deed(stage, Deed::MapLag, 0); }},
    {"the store is out", until_undone, store_out},
    {"the store is slow by <time>", until_undone,
     [](const Stage& stage) { return set(stage.world.store.extra_latency, *number_in(stage.values[0])); }},
    {"the store grants sessions of <time>", until_undone,
     [](const Stage& stage) { return set(stage.world.store.session_timeout_max, *number_in(stage.values[0])); }},
    {"the store goes back by <time>", until_undone, take_store_back},
    {"the store goes back by <time> for good", at_once, lose_newest_data},
    {"the store loses its leader", at_once, [](const Stage& stage) { return deed(stage, Deed::LoseLeader, 0); }},
    {"<node> sees the store late by <time>", until_undone,
     [](const Stage& stage) { return set(stage.node(0).core.observer.lag, *number_in(stage.values[1])); }},
    {"the role hook of <node> takes <time>", until_undone,
     [](const Stage& stage) { return set(stage.node(0).core.role_hook_takes, *number_in(stage.values[1])); }},
    {"start <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-start"); }},
    {"shut down <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-shutdown"); }},
    {"stop <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-stop"); }},
    {"disable <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-disable"); }},
    {"restart <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-restart"); }},
    {"move <vm>", at_once, move},
    {"move <vm> to <node>", at_once, move},
    {"define <vm>", at_once, define},
    {"undefine <vm>", at_once, [](const Stage& stage) { return ask_vm(stage, "vm-undefine"); }},
    {"fence <node>", at_once, fence},
    {"confirm <node> off", at_once, confirm_off},
    {"verify fencing of <node>", at_once,
     [](const Stage& stage) { return ask(stage, "node-verify-fence", stage.values[0]); }},
    {"make <node> primary", at_once,
     [](const Stage& stage) { return ask(stage, "node-become-primary", stage.values[0]); }},
    {"ask <node> to step down", at_once,
     [](const Stage& stage) { return ask(stage, "node-step-down", stage.values[0]); }},
    {"maintenance", until_undone, maintain},
    {"accept the store", at_once, accept_store},
};

}  // namespace

const std::vector<const char*>& command_patterns() {
  static const std::vector<const char*> patterns = [] {
    std::vector<const char*> all;
    for (const Word& word : words) all.push_back(word.pattern);
    return all;
  }();
  return patterns;
}

bool can_be_undone(std::size_t command) { return words[command].lasts; }

Events::Act begin(World& world, const Story& story, std::size_t command, const Words& values) {
  return words[command].begin({world, story, values});
}

}  // namespace pvcd::sim
