#include "keepalive.hpp"

#include <algorithm>

#include "sdk/proof.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds wait_retry = seconds(1);
constexpr Microseconds refuse_retry = seconds(60);
constexpr Microseconds reading_max = milliseconds(300);  // of all that a join depends on, one after the other
constexpr std::uint64_t unanswered_beats_max = 1000;
constexpr Microseconds last_word_look = milliseconds(50);

template <class Record>
std::optional<keepalive::Found<Record>> found(const EntryPointer& entry) {
  if (!entry) return std::nullopt;
  return keepalive::Found<Record>{std::get<Record>(entry->record), entry->version};
}

}  // namespace

Keepalive::Keepalive(World& world, std::size_t node)
    : process(world.events), world_(world), node_(node), client_{node, process, heartbeat_interval * 6 / 5} {}

void Keepalive::start() {
  process.start();
  client_.server.reset();
  client_.session = world_.node(node_).host.session_file;
  beating_ = under_way_ = attempting_ = false;
  daemon_state_ = DaemonState::Init;
  last_word_.reset();
  core_heard_.reset();
  plugins_heard_.clear();
  ++round_;
  process.after(world_.random.between(milliseconds(2), milliseconds(300)), [this] { look(); });
}

void Keepalive::kill() { process.end(); }

// Only a heartbeat that is sent from now on carries the last word; when it was told, the session is closed; else it
// ends by itself.
void Keepalive::leave() {
  const Host& host = world_.node(node_).host;
  last_word_ = host.qemus().empty() ? DaemonState::Stop : DaemonState::Left;
  last_word_at_ = host.clock();
  last_word_told_ = false;
  say_last_word(host.clock() + session_timeout);
}

void Keepalive::say_last_word(Instant deadline) {
  Host& host = world_.node(node_).host;
  if (!last_word_told_ && beating_ && host.clock() < deadline) {
    beat();
    return process.after(last_word_look, [this, deadline] { say_last_word(deadline); });
  }
  lose();
  if (last_word_told_) {
    if (world_.store.serves(node_)) world_.store.close_session(client_.session);
    host.session_file = 0;
  }
  process.end();
  world_.node(node_).watchdog.leave(last_word_told_);
}

void Keepalive::hear_core(bool shuts_down) {
  if (!process.lives()) return;
  process.after(300, [this, shuts_down] {
    core_heard_ = world_.node(node_).host.clock();
    daemon_state_ = shuts_down ? DaemonState::Shutdown : DaemonState::Run;
  });
}

void Keepalive::lose() {
  world_.node(node_).host.proof_file.clear();
  beating_ = under_way_ = false;
  ++round_;
}

void Keepalive::expired() {
  world_.trace([&] { return "the session of " + world_.node(node_).host.name() + " has expired, it learns"; });
  client_.session = 0;
  attempting_ = false;
  lose();
  look();
}

// ----------------------------------------------------------------------------------------------------------- joining

NodeRecord Keepalive::own_record() const {
  const Host& host = world_.node(node_).host;
  NodeRecord node;
  node.name = host.name();
  node.machine_id = "machine-" + host.name();
  node.system_uuid = "uuid-" + host.name();
  node.boot = host.boot();
  node.addresses = node.storage_addresses = {host.address()};
  node.cpu_count = 8;
  node.memory_total = host.memory_total;
  return node;
}

keepalive::ClusterLook look_at(const World& world, const NodeName& name, const BootId& boot) {
  keepalive::ClusterLook look;
  for (const auto& node : world.nodes) {
    const NodeName& each = node->host.name();
    if (auto record = found<NodeRecord>(world.store.find({Kind::Node, each}))) look.nodes[each] = *record;
  }
  look.fence = found<FenceRecord>(world.store.find({Kind::Fence, name}));
  look.evidence = world.store.find({Kind::Evidence, boot}) != nullptr;
  auto own = look.nodes.find(name);
  if (own == look.nodes.end()) return look;
  const Incarnation incarnation = own->second.value.incarnation;
  if (const auto session = world.store.find(session_key(name, incarnation))) look.session_owner = session->session;
  if (const auto live = world.store.find(live_key(name, incarnation))) look.live = std::get<LiveRecord>(live->record);
  return look;
}

void Keepalive::look() {
  if (last_word_ || attempting_ || beating_) return;
  attempting_ = true;
  world_.store.ask(
      client_,
      [this]() -> Store::Deliver {
        std::uint64_t session = client_.session;
        if (!world_.store.is_open(session)) session = world_.store.open_session(session_timeout);
        const Host& host = world_.node(node_).host;
        return [this, session, look = look_at(world_, host.name(), host.boot())] {
          client_.session = world_.node(node_).host.session_file = session;
          process.after(world_.random.below(reading_max), [this, look] { decide(look); });
        };
      },
      [this] { hold(wait_retry); });
}

void Keepalive::decide(const keepalive::ClusterLook& look) {
  const Microseconds granted = std::min(session_timeout, world_.store.session_timeout_max);
  const keepalive::OwnFacts self{own_record(), client_.session, session_timeout, granted,
                                 world_.node(node_).host.wall_clock()};
  std::visit([this](const auto& decision) { carry_out(decision); }, keepalive::decide_join(look, self));
}

void Keepalive::carry_out(const keepalive::Resume& resume) {
  if (daemon_state_ == DaemonState::Init) daemon_state_ = resume.live.daemon_state;
  commit(resume.changes,
         [this, live = resume.live] { begin_life(live.incarnation, live.counter + unanswered_beats_max); });
}

void Keepalive::carry_out(const keepalive::Join& join) {
  if (daemon_state_ == DaemonState::Init) daemon_state_ = join.word;
  commit(join.changes, [this, incarnation = join.incarnation] {
    begin_life(incarnation, 0);
    remove_former_lives();
  });
}

void Keepalive::carry_out(const keepalive::Wait& wait) {
  world_.trace([&] { return world_.node(node_).host.name() + " does not join yet: " + wait.reason; });
  hold(wait_retry);
}

void Keepalive::carry_out(const keepalive::Refuse& refuse) {
  world_.trace([&] { return world_.node(node_).host.name() + " cannot join: " + refuse.reason; });
  world_.needs_reboot(node_);
  hold(refuse_retry);
}

void Keepalive::commit(const Changes& changes, Events::Act committed) {
  if (changes.empty()) return committed();
  world_.store.commit(client_, {node_, Part::Keepalive, 0}, changes,
                      [this, committed = std::move(committed)](const CommitOutcome& outcome) {
                        if (outcome.code == CommitCode::Ok) return committed();
                        hold(wait_retry);
                      });
}

void Keepalive::hold(Microseconds retry) {
  attempting_ = false;
  process.after(retry, [this] { look(); });
}

void Keepalive::begin_life(Incarnation incarnation, std::uint64_t counter) {
  world_.trace([&] { return world_.node(node_).host.name() + " lives as incarnation " + std::to_string(incarnation); });
  attempting_ = false;
  incarnation_ = incarnation;
  counter_ = counter;
  beating_ = true;
  under_way_ = false;
  const std::uint64_t round = ++round_;
  process.after(heartbeat_interval, [this, round] { on_time(round); });
  beat();
  beat_beside_the_store(round);
}

void Keepalive::beat_beside_the_store(std::uint64_t round) {
  if (round != round_) return;
  process.after(beat_interval, [this, round] { beat_beside_the_store(round); });
  for (const NodeName& coordinator : world_.coordinators) {
    const std::size_t other = world_.index_of(coordinator);
    if (other != node_ && world_.network.passes(node_, other))
      world_.node(other).core.hear(world_.node(node_).host.name(), incarnation_);
  }
}

void Keepalive::remove_former_lives() {
  const NodeName& name = world_.node(node_).host.name();
  for (const auto& [key, entry] : world_.store.entries()) {
    if (key.kind != Kind::Live) continue;
    const auto incarnation = keepalive::incarnation_of(key.name, name);
    if (incarnation && *incarnation < incarnation_)
      world_.store.commit(client_, {node_, Part::Keepalive, 0}, {Remove{key}}, [](const CommitOutcome&) {});
  }
}

// --------------------------------------------------------------------------------------------------------- heartbeat

void Keepalive::on_time(std::uint64_t round) {
  if (round != round_ || !beating_) return;
  process.after(heartbeat_interval, [this, round] { on_time(round); });
  beat();
}

LiveRecord Keepalive::snapshot() const {
  const Host& host = world_.node(node_).host;
  LiveRecord live;
  live.daemon_state = last_word_.value_or(daemon_state_);
  live.self_fence = world_.node(node_).watchdog.words();
  if (live.self_fence && last_word_) live.self_fence = SelfFence{false, 0, 0, "the node leaves"};
  live.memory_free = host.memory_free();
  live.memory_used = host.memory_total - live.memory_free;
  if (core_heard_) live.units["core"] = {"running", host.clock() - *core_heard_, {}};
  for (const auto& [unit, heard] : plugins_heard_) live.units[unit] = {"running", host.clock() - heard, {}};
  return live;
}

// A plugin's process reports as long as its main loop turns, whatever its worker does.
void Keepalive::hear_plugins() {
  const Node& node = world_.node(node_);
  if (node.hypervisor.worker.process.runs()) plugins_heard_["libvirt"] = node.host.clock();
  if (node.guard.worker.process.runs())
    plugins_heard_["rbd-locks"] = plugins_heard_[logic::shared_files_hook] = node.host.clock();
}

void Keepalive::beat() {
  if (!beating_ || under_way_) return;
  hear_plugins();
  const Host& host = world_.node(node_).host;
  LiveRecord live = snapshot();
  live.node = host.name();
  live.boot = host.boot();
  live.incarnation = incarnation_;
  live.counter = ++counter_;
  under_way_ = true;
  world_.oracle.sends_heartbeat(node_, live.counter);
  world_.store.commit(
      client_, {node_, Part::Keepalive, 0},
      {Check{session_key(host.name(), incarnation_)}, Put{live_key(host.name(), incarnation_), live, any_version}},
      [this, round = round_, sent_at = host.clock()](const CommitOutcome& outcome) {
        if (round == round_) answered(outcome, sent_at);
      });
}

void Keepalive::answered(const CommitOutcome& outcome, Instant sent_at) {
  under_way_ = false;
  if (outcome.expired) return expired();
  Host& host = world_.node(node_).host;
  if (outcome.code == CommitCode::Ok) {
    last_word_told_ = last_word_ && sent_at > last_word_at_;
    if (!last_word_) host.proof_file = encode_proof({{host.name(), host.boot(), incarnation_}, sent_at});
  } else if (outcome.code == CommitCode::NoEntry) {
    world_.trace([&] { return "incarnation " + std::to_string(incarnation_) + " of " + host.name() + " was buried"; });
    lose();
    look();
  }
}

}  // namespace pvcd::sim
