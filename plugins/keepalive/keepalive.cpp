#include "keepalive.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "host_facts.hpp"
#include "store/changes.hpp"
#include "store/codec.hpp"
#include "store/options.hpp"
#include "store/paths.hpp"
#include "store/request.hpp"

namespace pvcd::keepalive {
namespace {

namespace paths = store::paths;
using store::boottime_now;

constexpr Microseconds wait_retry = seconds(1);
constexpr Microseconds refuse_retry = seconds(60);
constexpr std::uint64_t beats_per_session = 6;
constexpr std::uint64_t unanswered_beats_max = 1000;
constexpr Microseconds last_word_limit_min = seconds(2);
constexpr Microseconds sleep_interval = seconds(5);
constexpr Microseconds aim_interval = seconds(10);  // a coordinator that joined anew may have other addresses

std::string run_directory() {
  const char* given = std::getenv("PVCD_RUN_DIR");
  std::string directory = given && *given ? given : "/run/pvcd";
  ::mkdir(directory.c_str(), 0755);  // whatever keeps it from being there, the age socket says it
  return directory;
}

// A page that has to come back from a disk would delay the heartbeat (S8). Without the unit's LimitMEMLOCK=infinity,
// later allocations would fail instead.
void lock_memory(Host& host) {
  rlimit limit{};
  const bool unlimited = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
  if (unlimited && ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    host.log(Level::Warning, std::string("cannot lock its memory: ") + std::strerror(errno));
}

NodeRecord own_record(const Settings& shared) {
  const auto facts = read_host_facts();
  NodeRecord node;
  node.name = shared.text("node.name");
  node.machine_id = facts.machine_id;
  node.system_uuid = shared.text("node.system_uuid");
  if (node.system_uuid.empty()) node.system_uuid = facts.system_uuid;
  node.boot = facts.boot;
  node.addresses = shared.list("node.addresses");
  node.storage_addresses = shared.list("node.storage_addresses");
  node.floating_addresses = shared.list("node.floating_addresses");
  node.cpu_count = facts.cpu_count;
  node.memory_total = facts.memory_total;
  return node;
}

const char* name_of(store::SessionState state) {
  switch (state) {
    case store::SessionState::Connecting:
      return "connecting";
    case store::SessionState::Connected:
      return "connected";
    case store::SessionState::Expired:
      return "expired";
    case store::SessionState::Denied:
      return "denied";
  }
  return "unknown";
}

}  // namespace

std::unique_ptr<store::Store> open_cluster_store(sd_event* loop, Host& host, const std::string& session_file) {
  auto options =
      store::zookeeper_options(host.shared(), [&host](const std::string& what) { host.log(Level::Warning, what); });
  options.session_file = session_file;
  return store::open_zookeeper(loop, options);
}

// -------------------------------------------------------------------------------------------------------------- life

void Keepalive::start(Host& host) {
  host_ = &host;
  lock_memory(host);
  run_directory_ = run_directory();
  node_ = own_record(host.shared());
  session_timeout_wanted_ = milliseconds(static_cast<std::uint64_t>(host.shared().number("store.session_timeout_ms")));
  for (auto* log : {&hold_log_, &garbage_log_, &stall_log_, &proof_log_}) log->emplace(host);
  proof_.emplace(run_directory_ + "/proof");
  const bool fences_itself = host.shared().text("self_fence.mode") == self_fence_by_watchdog;
  self_fence_.emplace(run_directory_, node_.boot, fences_itself);
  sleep_.emplace(sleep_interval);
  age_socket_.emplace(host.loop(), run_directory_ + "/ages", [this](std::string_view datagram) { receive(datagram); });
  retry_.emplace(host.loop(), [this] { look(); });
  loop_.emplace(host.loop());
  store_ = open_(loop_->get(), host, run_directory_ + "/keepalive.session");
  HeartbeatCalls calls;
  calls.snapshot = [this] { return snapshot(); };
  calls.proven = [this](Instant sent_at) { proven(sent_at); };
  calls.buried = [this] {
    lose("this life was buried by somebody else");
    look();
  };
  calls.stalled = [this](std::string_view what) { stall_log_->log(Level::Warning, what, boottime_now()); };
  heartbeat_.emplace(host.loop(), *store_, std::move(calls));
  coordinators_ = host.shared().list("cluster.coordinators");
  std::erase(coordinators_, node_.name);
  beacon_.emplace(host.loop(), host.shared().text("cluster.name"),
                  static_cast<std::uint16_t>(host.shared().number("cluster.beat_port")));
  aim_.emplace(host.loop(), [this] { aim_beacon(); });
  store_->on_state([this](store::SessionState state) { on_state(state); });
  host.report("join", "waiting for the store");
  on_state(store_->state());
}

// The core is gone when this comes, so its last word decides: after an orderly shutdown the node leaves, also if no
// core has come up since it left; otherwise only this unit restarts, and its session has to outlive it.
void Keepalive::stop() noexcept {
  if (!store_) return;
  retry_->stop();
  if (ages_.daemon_state() == DaemonState::Shutdown || is_leaving(ages_.daemon_state())) leave();
  ++attempt_;
  heartbeat_->end();
  beacon_->end();
  aim_->stop();
  store_.reset();
}

// Safety rule 11: `Left` says that virtual machines run on and are still owned. Without a last word in the store the
// end of the session is a reason to switch this host off: it is not hastened, and the next process may still be in
// time.
void Keepalive::leave() {
  const bool running = qemu_is_running();
  const bool told = get_in() && publish(running ? DaemonState::Left : DaemonState::Stop);
  const std::string left = std::string("left the cluster") + (running ? " with virtual machines running" : "");
  proof_->remove();
  if (!told)
    return host_->log(Level::Warning,
                      left + "; the store did not take the last word: others may take this host for lost");
  host_->log(Level::Notice, left);
  self_fence_->permit_disarm();
  store_->close();
}

// A process that is stopped before it has resumed or joined has no life to say a last word about. The store's loop
// turns alone now: an attempt under way comes to its end, one that has failed is not repeated.
bool Keepalive::get_in() {
  look();
  const auto tried = [&] {
    const bool connecting = store_->state() == store::SessionState::Connecting;
    return heartbeat_->beating() || (!connecting && !attempting_);
  };
  loop_->run_until(tried, boottime_now() + session_timeout_wanted_);
  return heartbeat_->beating();
}

// Keeps the heartbeat's pace by hand, because nobody turns the host's loop now. Only a heartbeat that was sent from now
// on carries the last word.
bool Keepalive::publish(DaemonState state) {
  const Microseconds pace = heartbeat_->interval();
  loop_->run_until([this] { return !heartbeat_->under_way(); }, boottime_now() + pace);
  last_word_ = state;
  const Instant asked_at = boottime_now();
  const Instant deadline = asked_at + std::max(store_->session_timeout(), last_word_limit_min);
  const auto told = [&] { return proven_at_ > asked_at; };
  while (!told() && heartbeat_->beating() && boottime_now() < deadline) {
    heartbeat_->beat_now();
    if (!loop_->run_until(told, boottime_now() + pace) && heartbeat_->under_way()) store_->next_server();
  }
  return told();
}

// ----------------------------------------------------------------------------------------------------------- session

void Keepalive::on_state(store::SessionState state) {
  host_->report("session", name_of(state));
  switch (state) {
    case store::SessionState::Connected:
      return connected();
    case store::SessionState::Expired:
      return expired();
    case store::SessionState::Denied:
      return hold_log_->log(Level::Error, "the store denies access; check store.credentials_file", boottime_now());
    case store::SessionState::Connecting:
      return;
  }
}

void Keepalive::connected() {
  if (!heartbeat_->beating()) return look();
  if (!session_is_short()) return heartbeat_->beat_now();
  lose("the store grants a shorter session now");
  look();
}

void Keepalive::expired() {
  ++attempt_;
  attempting_ = false;
  retry_->stop();
  lose("the session has expired");
}

bool Keepalive::session_is_short() const { return store_->session_timeout() < session_timeout_wanted_; }

void Keepalive::lose(const std::string& why) {
  proof_->remove();
  if (std::exchange(proven_at_, 0) != 0) host_->report("proof", "none");
  if (!heartbeat_->beating()) return;
  host_->log(Level::Error, "incarnation " + std::to_string(heartbeat_->life().incarnation) + " is over: " + why);
  host_->report("join", "lost: " + why);
  heartbeat_->end();
  beacon_->end();
  aim_->stop();
}

// ----------------------------------------------------------------------------------------------------------- joining

void Keepalive::look() {
  if (last_word_ || attempting_ || heartbeat_->beating() || store_->state() != store::SessionState::Connected) return;
  attempting_ = true;
  retry_->stop();
  look_at_cluster(*store_, node_.name, node_.boot, [this, attempt = ++attempt_](const LookResult& result) {
    if (attempt == attempt_) decide(result);
  });
}

OwnFacts Keepalive::own_facts() const {
  return {node_, store_->session(), session_timeout_wanted_, store_->session_timeout(), store::realtime_now()};
}

void Keepalive::decide(const LookResult& seen) {
  if (!seen.failure.empty()) return hold(Level::Warning, seen.failure, wait_retry);
  std::visit([this](const auto& decision) { carry_out(decision); }, decide_join(seen.look, own_facts()));
}

// A heartbeat of the former process may arrive after this look. No counter is used twice: a proof that comes with one
// that was seen before would not end a silence.
void Keepalive::carry_out(const Resume& resume) {
  ages_.resume(resume.live, boottime_now());
  commit(resume.changes,
         [this, live = resume.live] { begin_life(live.incarnation, live.counter + unanswered_beats_max, "resumed"); });
}

void Keepalive::carry_out(const Join& join) {
  ages_.begin(join.word);
  commit(join.changes, [this, incarnation = join.incarnation] {
    begin_life(incarnation, 0, "joined");
    remove_former_lives();
  });
}

void Keepalive::carry_out(const Wait& wait) { hold(Level::Warning, wait.reason, wait_retry); }
void Keepalive::carry_out(const Refuse& refuse) { hold(Level::Error, "cannot join: " + refuse.reason, refuse_retry); }

// Whatever the answer is but Ok, the next look shows what is true now.
void Keepalive::commit(const Changes& changes, std::function<void()> committed) {
  if (changes.empty()) return committed();
  store::commit(*store_, changes, [this, attempt = attempt_, committed = std::move(committed)](const auto& result) {
    if (attempt != attempt_) return;
    if (result.code == store::CommitCode::Ok) return committed();
    const bool denied = result.code == store::CommitCode::Denied;
    hold(denied ? Level::Error : Level::Info,
         denied ? "the store denies the join; check store.credentials_file" : "the join did not succeed, trying again",
         wait_retry);
  });
}

void Keepalive::hold(Level level, const std::string& reason, Microseconds retry) {
  attempting_ = false;
  host_->report("join", reason);
  hold_log_->log(level, reason, boottime_now());
  retry_->start(retry);
}

void Keepalive::begin_life(Incarnation incarnation, std::uint64_t counter, const std::string& how) {
  attempting_ = false;
  hold_log_->forget();
  host_->log(Level::Notice, how + " as incarnation " + std::to_string(incarnation) + " of " + node_.name);
  host_->report("incarnation", std::to_string(incarnation));
  host_->report("join", how);
  heartbeat_->begin({node_.name, node_.boot, incarnation}, counter, store_->session_timeout() / beats_per_session);
  beacon_->begin(node_.name, incarnation);
  aim_beacon();
}

// Reads only, and seldom: a beat itself costs the store nothing.
void Keepalive::aim_beacon() {
  aim_->start(aim_interval);
  for (const NodeName& name : coordinators_)
    store_->get_existing(paths::under(paths::nodes, name), [this, name](const store::ReadResult& result) {
      if (result.code != store::ReadCode::Ok) return;
      const auto record = store::decode<NodeRecord>(result.entry.data);
      if (const auto* node = std::get_if<NodeRecord>(&record)) coordinator_addresses_[name] = node->addresses;
      std::vector<std::string> all;
      for (const auto& [each, addresses] : coordinator_addresses_)
        all.insert(all.end(), addresses.begin(), addresses.end());
      beacon_->aim(std::move(all));
    });
}

// Entries that outlived their session tell nobody anything. One whose session still lives cannot be removed.
void Keepalive::remove_former_lives() {
  store_->list(paths::live, [this, current = heartbeat_->life().incarnation](const store::ReadResult& result) {
    for (const auto& name : result.children) {
      const auto incarnation = incarnation_of(name, node_.name);
      if (incarnation && *incarnation < current) store_->commit({store::Remove{paths::under(paths::live, name)}}, {});
    }
  });
}

// --------------------------------------------------------------------------------------------------------- reporting

LiveRecord Keepalive::snapshot() const {
  const auto load = read_host_load();
  LiveRecord live;
  live.daemon_state = last_word_.value_or(ages_.daemon_state());
  live.self_fence = self_fence_->words(last_word_.has_value());
  live.may_sleep = sleep_->words();
  live.memory_used = load.memory_used;
  live.memory_free = load.memory_free;
  live.cpu_load = load.cpu_load;
  live.units = ages_.units(boottime_now());
  return live;
}

void Keepalive::proven(Instant sent_at) {
  if (std::exchange(proven_at_, sent_at) == 0) host_->report("proof", "written");
  stall_log_->forget();
  if (!proof_->write({heartbeat_->life(), sent_at}))
    proof_log_->log(Level::Error, "cannot write " + run_directory_ + "/proof; this node may not act", boottime_now());
}

void Keepalive::receive(std::string_view datagram) {
  auto report = decode_age(datagram);
  if (report && ages_.accept(*std::move(report), boottime_now())) return;
  garbage_log_->log(Level::Warning, "ignored a datagram on " + run_directory_ + "/ages that is no report",
                    boottime_now());
}

}  // namespace pvcd::keepalive
