#include "run.hpp"

#include "deeds.hpp"
#include "settled.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds settle_limit = seconds(180);
constexpr Microseconds look_interval = seconds(1);

// An off that was asked for may take the majority away again.
constexpr Microseconds power_on_interval = seconds(60);

// Hosts that fence themselves do not live without a store, so that one which is lost takes more with it.
constexpr Microseconds majority_interval = seconds(15);

constexpr Microseconds election_awaited = seconds(12);
constexpr Microseconds election_look = milliseconds(5);

void define_vms(World& world) {
  Random& random = world.random;
  const bool tight = random.chance(20);
  for (const auto& node : world.nodes) node->host.memory_total = (tight ? 12 : 64) * gibibyte;
  const std::uint64_t count = random.between(1, 5);
  for (std::uint64_t i = 1; i <= count; ++i) {
    VmRecord vm;
    vm.name = "vm" + std::to_string(i);
    vm.uuid = "uuid-" + vm.name;
    vm.wanted = random.chance(90) ? WantedState::Running : WantedState::Stopped;
    vm.memory = random.between(2, 6) * gibibyte;
    vm.priority = static_cast<std::int32_t>(random.below(3));
    if (random.chance(50)) vm.home = world.node(random.below(world.nodes.size())).host.name();
    vm.disks.push_back({"vda", DiskKind::Rbd, "vms/" + vm.name});
    if (random.chance(30)) vm.disks.push_back({"vdb", DiskKind::Rbd, "vms/" + vm.name + "-data"});
    if (random.chance(7)) vm.disks.push_back({"vdc", DiskKind::Local, "/var/lib/" + vm.name});
    if (random.chance(15)) vm.disks.push_back({"vdd", DiskKind::Shared, shared_directory + ("/" + vm.name)});
    if (random.chance(20))
      for (const auto& node : world.nodes)
        if (random.chance(50)) vm.node_limit.push_back(node->host.name());
    world.define(vm);
  }
}

// In some clusters hosts are told to fence themselves; one in so many has nothing to do it with.
void fit_watchdogs(World& world) {
  if (!world.random.chance(40)) return;
  for (const auto& node : world.nodes) {
    node->watchdog.wanted = world.random.chance(70);
    node->watchdog.fitted = world.random.chance(90);
  }
}

std::size_t draw_nodes(Random& random) {
  const std::uint64_t dice = random.below(100);
  if (dice < 50) return 3;
  if (dice < 70) return 4;
  if (dice < 85) return 5;
  return random.between(6, 9);
}

void power_on_a_majority(World& world) {
  for (std::size_t i = 0; i < world.nodes.size() && !world.store.has_majority(); ++i) world.boot(i);
}

// Hosts that are off stay so or not; the store's majority is seen to.
void power_on_some(World& world) {
  for (std::size_t i = 0; i < world.nodes.size(); ++i)
    if (world.random.chance(60)) world.boot(i);
  power_on_a_majority(world);
}

std::optional<std::size_t> primary_of(const World& world) {
  const auto* leader = find<LeaderRecord>(world.store.records(), Kind::Leader);
  if (!leader || !world.store.find(session_key(leader->node, leader->incarnation))) return std::nullopt;
  return world.index_of(leader->node);
}

void await_election(World& world) {
  const Instant limit = world.events.now() + election_awaited;
  while (primary_of(world) && world.events.now() < limit && !world.oracle.violation())
    world.events.run_until(world.events.now() + election_look);
}

}  // namespace

void settle(World& world, Instant healed_at) {
  Instant now = healed_at;
  std::string open = "nothing was looked at";
  while (!open.empty() && now < healed_at + settle_limit && !world.oracle.violation()) {
    if ((now - healed_at) % power_on_interval == 0) power_on_some(world);
    if ((now - healed_at) % majority_interval == 0) power_on_a_majority(world);
    now += look_interval;
    world.events.run_until(now);
    open = still_open(world);
  }
  if (!open.empty()) world.oracle.fail("S10", open);
  if (const std::string unproven = unproven_start(world); !unproven.empty()) world.oracle.fail("history", unproven);
}

Plan make_plan(std::uint64_t seed, std::size_t nodes_wanted) {
  Random random(seed * 2 + 1);
  Plan plan{seed, draw_nodes(random), {}};
  if (nodes_wanted != 0) plan.nodes = nodes_wanted;
  plan.schedule = make_schedule(random, plan.nodes);
  return plan;
}

RunOutcome run(const Plan& plan, bool tell) {
  World world(plan.seed * 2, plan.nodes, tell);
  define_vms(world);
  fit_watchdogs(world);
  for (std::size_t i = 0; i < plan.nodes; ++i) world.boot(i);
  Instant healed_at = end_of(plan.schedule);
  for (Planned one : plan.schedule) {
    world.events.run_until(std::max(one.at, world.events.now()));
    if (one.in_election) await_election(world);
    if (world.oracle.violation()) break;
    if (const auto primary = primary_of(world); one.at_primary && primary) one.node = *primary;
    do_to(world, one);
    healed_at = std::max(healed_at, world.events.now() + one.duration + seconds(1));
  }
  for (Instant now = world.events.now(); now < healed_at && !world.oracle.violation(); now += look_interval)
    world.events.run_until(std::min(now + look_interval, healed_at));
  if (!world.oracle.violation()) settle(world, healed_at);

  RunOutcome outcome;
  outcome.violation = world.oracle.violation();
  outcome.ended_at = world.events.now();
  outcome.tally = std::move(world.tally);
  outcome.tally.seeds = 1;
  outcome.tally.simulated_us = world.events.now();
  outcome.story = std::move(world.story);
  return outcome;
}

}  // namespace pvcd::sim
