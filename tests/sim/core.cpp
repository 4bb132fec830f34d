#include "core.hpp"

#include <algorithm>

#include "sdk/proof.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds busy_interval = milliseconds(250);
constexpr Microseconds idle_interval = milliseconds(900);  // a round of 250 ms that changes nothing is left out
constexpr Microseconds decision_is_young = seconds(2);

}  // namespace

Core::Core(World& world, std::size_t node)
    : process(world.events),
      world_(world),
      node_(node),
      client_{node, process, seconds(3)},
      agent_settings_(agent_settings()),
      coordinator_settings_(coordinator_settings(world.coordinators)),
      election_settings_(election_settings(world.coordinators)) {}

void Core::start() {
  process.start();
  started_at_ = world_.events.now();
  heard_.clear();
  client_.server.reset();
  stopping_ = founding_ = acted_ = domains_ready_ = false;
  claiming_ = publishing_ = give_up_asked_ = telling_ = false;
  calls_.clear();
  right_ = {};
  behind_.clear();
  wake_at_ = decided_at_ = claim_not_before_ = 0;
  // What hooks wait for is kept in /run over a restart (core/first_sights.cpp).
  std::map<VmUuid, std::map<std::string, logic::FirstSights>> sights;
  const BootId& boot = world_.node(node_).host.boot();
  if (std::exchange(boot_, boot) == boot)
    for (auto& [uuid, vm] : agent_memory_.vms) sights[uuid] = vm.first_seen;
  agent_memory_ = {};
  for (auto& [uuid, seen] : sights) agent_memory_.vms[uuid].first_seen = seen;
  agent_answers_.clear();
  agent_settings_.needs_watchdog = world_.node(node_).watchdog.wanted;
  coordinator_memory_ = {};
  coordinator_answers_.clear();
  election_memory_ = {};
  const NodeName& name = world_.node(node_).host.name();
  role_settings_ = {{"address"}, std::ranges::count(world_.coordinators, name) > 0, decision_limit};
  role_memory_ = {};
  role_answers_.clear();
  vacated_.reset();
  domains_.clear();
  images_.clear();
  observer.restart(world_.store, world_.random);
  if (world_.node(node_).hypervisor.has_listed()) read_facts();
  process.after(world_.random.between(milliseconds(20), milliseconds(500)), [this] { tick(); });
}

void Core::stop() {
  stopping_ = true;
  world_.node(node_).keepalive.hear_core(true);
  wake(0);
}

// ------------------------------------------------------------------------------------------------------------ rounds

// What comes while it stands still is taken for lost.
void Core::hear(const NodeName& name, Incarnation incarnation) {
  if (process.runs()) heard_[name] = {incarnation, clock()};
}

void Core::store_changed(bool heartbeat) {
  if (!process.lives() || heartbeat) return;
  wake(observer.lag + world_.random.below(milliseconds(3)));
}

// Any number of reasons until then are one round.
void Core::wake(Microseconds delay) {
  const Instant at = world_.events.now() + delay;
  if (wake_at_ != 0 && wake_at_ <= at) return;
  wake_at_ = at;
  process.after(delay, [this, at] {
    if (wake_at_ != at) return;
    wake_at_ = 0;
    round();
  });
}

void Core::tick() {
  process.after(is_busy() ? busy_interval : idle_interval, [this] { tick(); });
  round();
}

bool Core::is_busy() const {
  if (acted_ || !coordinator_answers_.empty() || !coordinator_memory_.power.empty() ||
      is_primary() != (role_memory_.state == CoordinatorState::Primary))
    return true;
  return std::any_of(agent_memory_.vms.begin(), agent_memory_.vms.end(), [](const auto& vm) {
    return vm.second.step != logic::Step::Running && vm.second.step != logic::Step::Idle;
  });
}

// A decision that is its own reason for the next round turns the loop for nothing.
void Core::count_round() {
  constexpr std::uint64_t rounds_per_second_max = 400;
  world_.tally.rounds++;
  if (world_.events.now() >= rounds_since_ + seconds(1)) {
    rounds_since_ = world_.events.now();
    rounds_ = 0;
  }
  if (++rounds_ > rounds_per_second_max)
    world_.oracle.fail("busy", world_.node(node_).host.name() + " decides again and again without anything new");
}

void Core::round() {
  if (world_.oracle.violation()) return;

  observer.catch_up(world_.store, world_.random, world_.events.now(), world_.store.serves(node_));
  count_round();
  acted_ = false;
  const std::string behind = check_high_water();
  const Right right = right_ = behind.empty() ? this->right() : Right{};
  found_cluster();
  run_role(right);
  run_agent(right);
  run_coordinator(right);
  if (view().complete && right.may_act) decided_at_ = clock();
  if (stopping_ || (decided_at_ != 0 && clock() - decided_at_ < decision_is_young))
    world_.node(node_).keepalive.hear_core(stopping_);
  const bool reachable = world_.store.serves(node_);
  if (stopping_ && ((!claiming_ && logic::is_free_of_role(role_memory_, is_primary())) ||
                    (!reachable && logic::has_let_go(role_memory_)))) {
    process.end();
    stopped();
  }
}

Instant Core::clock() const { return world_.node(node_).host.clock(); }

Life Core::self() const {
  const Host& host = world_.node(node_).host;
  auto node = view().nodes.find(host.name());
  const bool joined = node != view().nodes.end() && node->second.value.boot == host.boot();
  return {host.name(), host.boot(), joined ? node->second.value.incarnation : 0};
}

Core::Right Core::right() const {
  const auto proof = decode_proof(world_.node(node_).host.proof_file);
  const Instant now = clock();
  if (!proof || proof->life != self() || proof->sent_at > now) return {};
  const Instant not_after = proof->sent_at + proof_limit;
  return {now < not_after, not_after};
}

std::string Core::check_high_water() {
  if (!view().complete) return behind_;
  Host& host = world_.node(node_).host;
  const logic::HighWaterPlan plan = logic::check_high_water(view(), host.high_water, host.name());
  host.high_water = plan.next;
  if (!plan.tell.empty() && !std::exchange(telling_, true))
    world_.store.commit(client_, {node_, Part::Person, 0}, plan.tell,
                        [this](const CommitOutcome&) { telling_ = false; });
  if (plan.behind != behind_ && !plan.behind.empty())
    world_.trace([&] { return host.name() + " starts and fences nothing: " + plan.behind; });
  return behind_ = plan.behind;
}

Epoch Core::epoch() const { return view().leader ? view().leader->value.epoch : 0; }

// What waited while this node joined anew was decided by somebody else.
std::function<std::optional<Permit>()> Core::permit() const {
  return [this, life = self()]() -> std::optional<Permit> {
    if (!right_.may_act || clock() >= right_.not_after || self() != life) return std::nullopt;
    return Permit{std::min(right_.not_after, clock() + hook_limit), epoch()};
  };
}

void Core::found_cluster() {
  if (!view().complete || view().cluster || founding_ || !behind_.empty()) return;
  founding_ = true;
  world_.store.commit(client_, {node_, Part::Person, 0},
                      {Put{{Kind::Cluster, {}}, ClusterRecord{"cluster-1", "sim", false}, std::nullopt}},
                      [this](const CommitOutcome&) { founding_ = false; });
}

// ------------------------------------------------------------------------------------------------------------ people

void Core::submit(const std::string& type, const std::string& object, std::map<std::string, std::string> arguments) {
  JobRecord job;
  job.type = type;
  job.object = object;
  job.arguments = std::move(arguments);
  job.started_on = world_.node(node_).host.name();
  world_.store.commit(client_, {node_, Part::Person, 0}, {Append{Kind::Job, job}}, [](const CommitOutcome&) {});
}

void Core::accept_store() {
  world_.store.commit(client_, {node_, Part::Person, 0}, logic::acceptance(view()), [](const CommitOutcome&) {});
}

void Core::set_maintenance(bool on) {
  if (!view().cluster || !view().leader) return;
  ClusterRecord cluster = view().cluster->value;
  cluster.maintenance = on;
  world_.store.commit(
      client_, {node_, Part::Person, 0},
      {Check{{Kind::Leader, {}}, view().leader->version}, Put{{Kind::Cluster, {}}, cluster, view().cluster->version}},
      [](const CommitOutcome&) {});
}

}  // namespace pvcd::sim
