#include "core/daemon.hpp"

#include <csignal>
#include <fstream>

#include "core/agent_driver.hpp"
#include "core/beats.hpp"
#include "core/cluster_vms.hpp"
#include "core/coordinator_driver.hpp"
#include "core/high_water.hpp"
#include "core/objects/storage_tree.hpp"
#include "core/objects/tree.hpp"
#include "core/plans.hpp"
#include "core/requests.hpp"
#include "core/role_driver.hpp"
#include "core/storage_driver.hpp"
#include "core/unit_decisions.hpp"
#include "runtime/ages.hpp"
#include "runtime/clock.hpp"
#include "runtime/config.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/ready.hpp"
#include "sdk/cluster_vms.hpp"
#include "store/changes.hpp"
#include "store/codec.hpp"
#include "store/options.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

namespace names = runtime::names;

// Rounds come after every change; this is for what only time changes.
constexpr Microseconds round_interval = milliseconds(250);
// While a role hook takes its time, systemd is told again and again to wait that much longer.
constexpr Microseconds more_time = seconds(30);
constexpr Microseconds decision_is_young = seconds(2);

std::string random_id() {
  std::ifstream file("/proc/sys/kernel/random/uuid");
  std::string id;
  if (!(file >> id)) throw Error("/proc/sys/kernel/random/uuid cannot be read: /proc must be mounted");
  return id;
}

void warn(const std::string& what) { runtime::log(Level::Warning, what); }

}  // namespace

struct Daemon::State {
  State(runtime::Loop& used, const Settings& shared)
      : loop(used),
        cluster_name(shared.text("cluster.name")),
        session_timeout(runtime::session_timings(shared).timeout),
        self(shared),
        high_water(names::state_directory() + "/high-water.json"),
        cluster_vms(names::state_directory() + "/" + cluster_vms_name),
        bus(loop, runtime::connect_system_bus(), [this](const std::string& why) { bus_lost(why); }),
        opened(store::open_zookeeper(loop.get(), store::zookeeper_options(shared, warn))),
        cluster(*opened, loop),
        storage_view(*opened, loop),
        beats(loop, shared),
        requests(cluster, decisions,
                 {self.name(), shared.text("fencing.fencer"), coordinator_settings(shared),
                  shared.list("storage.shared_directories")}),
        explanations(cluster, self.name(), coordinator_settings(shared), runtime::boottime_us),
        polkit(bus),
        plugins(bus, milliseconds(static_cast<std::uint64_t>(shared.number("timings.hook_deadline_ms")))),
        unit_decisions(cluster, decisions, self.name(), names::run_directory() + "/announced-join"),
        kept_rounds(names::state_directory() + "/decisions"),
        tree(loop, bus.connection(), polkit, cluster, requests, explanations,
             {self.name(), shared.list("cluster.coordinators"), unit_needs(shared)}, runtime::boottime_us),
        storage_tree(bus.connection(), storage_view, runtime::boottime_us),
        role(cluster, plugins, kept_rounds, self, shared, [this] { wake(); }),
        agent(cluster, plugins, decisions, kept_rounds, self, shared, [this] { wake(); }),
        coordinator(
            loop, cluster, plugins, decisions, kept_rounds, self, shared, [this] { wake(); },
            [this] { role.give_up(); }),
        storage(
            cluster, storage_view,
            [this, plugin = shared.text("storage.plugin")](auto permit, auto answered) {
              plugins.observe(plugin, permit, answered);
            },
            milliseconds(static_cast<std::uint64_t>(shared.number("storage.interval_ms")))),
        ages(loop, "core") {
    runtime::request_name(bus.connection(), names::bus);
    decisions.on_announced([this](std::uint64_t id, const std::string& json) { tree.emit_decision(id, json); });
    cluster.on_change([this] { wake(); });
    opened->on_state([this](store::SessionState state) { store_changed(state); });
    loop.on_signal(SIGTERM, [this] { stop(); });
    loop.on_signal(SIGINT, [this] { stop(); });
    rounds = loop.every(round_interval, [this] { wake(); });
    loop.send_watchdog();
    // A core that cannot decide must not look young, or nobody could take the role from it (rule 10).
    ages.only_while([this] { return stopping || runtime::boottime_us() - decided_at < decision_is_young; });
    runtime::notify_ready("waiting for the store");
  }

  // Any number of reasons in one turn of the loop are one round.
  void wake() {
    if (awake) return;
    awake = true;
    loop.defer([this] {
      awake = false;
      round();
    });
  }

  void store_changed(store::SessionState state) {
    if (state == store::SessionState::Denied)
      runtime::log(Level::Error,
                   "the store denies access: [store] credentials_file is not that of cluster " + cluster_name);
    cluster.refresh();
  }

  // Why the store may not be acted on. A disk that cannot remember is treated like a store that is behind.
  std::string check_high_water() {
    if (!cluster.view().complete) return store_is_wrong;
    try {
      const logic::HighWaterPlan plan = high_water.check(cluster.view(), self.name());
      if (!plan.tell.empty() && !std::exchange(telling, true)) tell(plan);
      if (plan.behind.empty() || (plan.tell.empty() && logic::acceptance(cluster.view()).empty())) return plan.behind;
      return plan.behind + ". Put the newest copy of the store back, or accept it as it is: AcceptStore of " +
             names::manager_interface;
    } catch (const Error& error) {
      return error.what();
    }
  }

  // What does not succeed is decided anew, with the timer's next round.
  void tell(const logic::HighWaterPlan& plan) {
    const Carried word = carried(plan, cluster.view(), {self.name(), runtime::realtime_us()});
    store::commit(*opened, *word.changes, [this, record = *word.record](const store::CommitResult& result) {
      telling = false;
      if (result.code == CommitCode::Ok) decisions.announce(Level::Notice, record, result.created.back());
    });
  }

  Right right_to_act(Instant now) {
    Right right = self.right(cluster.view(), now);
    if (right.may_act != had_right) {
      had_right = right.may_act;
      runtime::log_event(Level::Notice, had_right ? names::message::proof_regained : names::message::proof_lost,
                         had_right ? "this node's session is proven: it may act"
                                   : "this node's session is not proven: it does not act");
    }
    const std::string wrong = check_high_water();
    if (wrong != store_is_wrong) {
      store_is_wrong = wrong;
      if (!wrong.empty())
        runtime::log_event(Level::Error, names::message::store_behind,
                           "nothing is started or fenced by this node: " + wrong);
    }
    if (!wrong.empty()) right = {};
    if (wrong.empty()) keep_cluster_vms();
    return right;
  }

  void keep_cluster_vms() {
    const std::string why_not = cluster_vms.keep(cluster.view());
    if (why_not != vms_not_kept && !why_not.empty())
      runtime::log(Level::Error, "libvirt's hook does not know the newest VMs: " + why_not);
    vms_not_kept = why_not;
  }

  void round() {
    const Instant now = runtime::boottime_us();
    const Right right = right_to_act(now);
    explanations.look();
    tree.update();
    found_cluster();
    unit_decisions.round(self.life(cluster.view()).incarnation);
    role.round(right, now, stopping);
    agent.round(right, now, stopping);
    coordinator.round(right, now, role.may_lead(), beats.heard());
    storage.round(right, now, role.may_lead() && !stopping);
    if (cluster.view().complete && right.may_act) decided_at = now;
    // It runs once it has decided: one that dies before takes nothing back of what its host said when it left.
    if (!stopping) ages.set(decided_at && store_is_wrong.empty() ? "running" : "starting", hindrance());
    if (stopping) finish_stopping(now);
  }

  // Why this core starts nothing, for all nodes to read; empty: it does.
  std::string hindrance() const { return store_is_wrong.empty() ? agent.hindrance() : store_is_wrong; }

  // The first core of a new cluster names it. Who has seen one before does not: then the store has lost it (rule 15).
  void found_cluster() {
    if (!cluster.view().complete || cluster.view().cluster || founding || !store_is_wrong.empty()) return;
    founding = true;
    const ClusterRecord record{random_id(), cluster_name, false};
    opened->commit({store::Create{store::paths::cluster, store::encode(record), false, false}},
                   [this](const store::CommitResult&) { founding = false; });  // somebody else may have been faster
  }

  void stop() {
    if (stopping) return;
    stopping = true;
    stopping_since = runtime::boottime_us();
    ages.set("shutdown");
    runtime::notify_stopping();
    wake();
  }

  // A word that is not heard is said again with each report; without it the keepalive would let the session expire as
  // after a crash, and this host be switched off. After one session timeout no process can resume that session.
  bool has_told_keepalive(Instant now) {
    if (shutdown_is_heard(cluster.view(), self.life(cluster.view()))) return true;
    if (now - stopping_since < session_timeout) return false;
    runtime::log(Level::Warning,
                 "the keepalive has not published that this core ends; others may take this host for lost");
    return true;
  }

  // VMs run on. The role is handed over first, however long its hooks take; without a store nobody can be told.
  void finish_stopping(Instant now) {
    const bool reachable = opened->state() == store::SessionState::Connected;
    if ((role.is_free_of_role() && !unit_decisions.is_looking() && has_told_keepalive(now)) ||
        (!reachable && role.has_let_go())) {
      opened->close();
      return loop.exit(0);
    }
    if (now - told_systemd < more_time / 2) return;
    told_systemd = now;
    runtime::notify_more_time(more_time);
  }

  void bus_lost(const std::string& why) {
    runtime::log(Level::Error, "the system bus is gone (" + why + "): the core ends and systemd starts it again");
    loop.exit(1);
  }

  runtime::Loop& loop;
  std::string cluster_name;
  Microseconds session_timeout;
  Self self;
  HighWater high_water;
  ClusterVms cluster_vms;
  runtime::Bus bus;
  std::unique_ptr<store::Store> opened;
  Cluster cluster;
  StorageView storage_view;
  Beats beats;
  Decisions decisions;
  Requests requests;
  Explanations explanations;
  runtime::Polkit polkit;
  Plugins plugins;
  UnitDecisions unit_decisions;
  Rounds kept_rounds;
  Tree tree;
  StorageTree storage_tree;
  RoleDriver role;
  AgentDriver agent;
  CoordinatorDriver coordinator;
  StorageDriver storage;
  runtime::AgeSender ages;
  runtime::Timer rounds;
  std::string store_is_wrong;
  std::string vms_not_kept;
  Instant decided_at = 0;
  Instant told_systemd = 0;
  Instant stopping_since = 0;
  bool awake = false;
  bool founding = false;
  bool telling = false;
  bool had_right = false;
  bool stopping = false;
};

Daemon::Daemon(runtime::Loop& loop, const Settings& shared) : state_(std::make_unique<State>(loop, shared)) {}
Daemon::~Daemon() = default;

}  // namespace pvcd::core
