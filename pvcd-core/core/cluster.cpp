#include "core/cluster.hpp"

#include <map>
#include <utility>

#include "runtime/journal.hpp"
#include "runtime/loop.hpp"
#include "runtime/names.hpp"
#include "store/codec.hpp"
#include "store/mirror.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

namespace paths = store::paths;
namespace names = runtime::names;

// What is wrong with a record that can be read: it has to lie where its name says, because two entries that claim to be
// one node would be taken for one another, and its name has to be one that the bus can show.
std::string fault(bool is_name, const std::string& home, const std::string& path) {
  if (!is_name) return "it names its object as nothing can be named";
  return home == path ? "" : "its content belongs to " + home;
}
std::string fault_of(const NodeRecord& node, const std::string& path) {
  return fault(names::is_node_name(node.name), paths::under(paths::nodes, node.name), path);
}
std::string fault_of(const LiveRecord& live, const std::string& path) {
  return fault(names::is_node_name(live.node), paths::live_entry(live.node, live.incarnation), path);
}
std::string fault_of(const VmRecord& vm, const std::string& path) {
  return fault(names::is_uuid(vm.uuid), paths::under(paths::vms, vm.uuid), path);
}
std::string fault_of(const FenceRecord& fence, const std::string& path) {
  return fault(names::is_node_name(fence.victim.node), paths::under(paths::fences, fence.victim.node), path);
}
std::string fault_of(const EvidenceRecord& evidence, const std::string& path) {
  return fault(!evidence.life.boot.empty(), paths::under(paths::evidence, evidence.life.boot), path);
}
template <class Record>
std::string fault_of(const Record&, const std::string&) {
  return {};
}

}  // namespace

struct Cluster::State {
  State(store::Store& opened, runtime::Loop& used)
      : store(opened),
        loop(used),
        cluster(opened, paths::cluster, [this] { changed(); }),
        leader(opened, paths::leader, [this] { changed(); }),
        nodes(opened, paths::nodes, [this] { changed(); }),
        live(
            opened, paths::live, [this] { changed(); }, true),
        readiness(opened, paths::readiness, [this] { changed(); }),
        roles(opened, paths::roles, [this] { changed(); }),
        vms(opened, paths::vms, [this] { changed(); }),
        owners(opened, paths::owners, [this] { changed(); }),
        runs(opened, paths::runs, [this] { changed(); }),
        waiting(opened, paths::waiting, [this] { changed(); }),
        fences(opened, paths::fences, [this] { changed(); }),
        evidence(opened, paths::evidence, [this] { changed(); }),
        witnesses(opened, paths::witnesses, [this] { changed(); }),
        jobs(opened, paths::jobs, [this] { changed(); }) {}

  // Many changes of one turn of the loop become one new view.
  void changed() {
    if (rebuild_pending) return;
    rebuild_pending = true;
    loop.defer([this] {
      rebuild_pending = false;
      rebuild();
      for (const auto& listener : listeners) listener();
    });
  }

  bool complete() const {
    return store.state() == store::SessionState::Connected && cluster.complete() && leader.complete() &&
           nodes.complete() && live.complete() && readiness.complete() && roles.complete() && vms.complete() &&
           owners.complete() && runs.complete() && waiting.complete() && fences.complete() && evidence.complete() &&
           witnesses.complete() && jobs.complete();
  }

  // What cannot be read is left out and named; its object is left alone by every decision.
  template <class Record>
  std::optional<logic::Seen<Record>> read(const std::string& path, const store::Entry& entry) {
    auto decoded = store::decode<Record>(entry.data);
    if (auto* error = std::get_if<store::DecodeError>(&decoded)) {
      view.broken[path] = error->text;
      return std::nullopt;
    }
    Record& record = std::get<Record>(decoded);
    if (const std::string wrong = fault_of(record, path); !wrong.empty()) {
      view.broken[path] = wrong;
      return std::nullopt;
    }
    return logic::Seen<Record>{std::move(record), entry.version};
  }

  // A heartbeat changes one entry of thousands, and decoding them is most of the work: what has not changed stays.
  template <class Record, class Map>
  void read_all(const std::string& directory, const store::Mirror& mirror, Map& into) {
    auto& known = read_from[directory];
    const auto is_gone = [&](const auto& one) { return !mirror.entries().contains(one.first); };
    std::erase_if(known, is_gone);
    std::erase_if(into, is_gone);
    for (const auto& [name, entry] : mirror.entries()) {
      if (auto same = known.find(name); same != known.end() && same->second == entry.data) {
        into.at(name).version = entry.version;
        continue;
      }
      auto seen = read<Record>(paths::under(directory, name), entry);
      known.erase(name);
      into.erase(name);
      if (!seen) continue;
      into.emplace(name, std::move(*seen));
      known.emplace(name, entry.data);
    }
  }

  void read_live() {
    view.live.clear();
    for (const auto& [name, entry] : live.entries()) {
      auto seen = read<LiveRecord>(paths::under(paths::live, name), entry);
      if (!seen) continue;
      const auto key = std::pair{seen->value.node, seen->value.incarnation};
      view.live[key] = {std::move(seen->value), seen->version, entry.children > 0};
    }
  }

  void read_jobs() {
    view.jobs.clear();
    for (const auto& [name, entry] : jobs.entries()) {
      auto seen = read<JobRecord>(paths::under(paths::jobs, name), entry);
      const auto id = number_of(name);
      if (!seen || !id) continue;
      seen->value.id = *id;
      view.jobs.emplace(*id, std::move(*seen));
    }
  }

  void rebuild() {
    const auto broken_before = std::exchange(view.broken, {});
    view.cluster = cluster.entry() ? read<ClusterRecord>(paths::cluster, *cluster.entry()) : std::nullopt;
    view.leader = leader.entry() ? read<LeaderRecord>(paths::leader, *leader.entry()) : std::nullopt;
    read_all<NodeRecord>(paths::nodes, nodes, view.nodes);
    read_live();
    read_all<ReadinessRecord>(paths::readiness, readiness, view.readiness);
    read_all<RoleRecord>(paths::roles, roles, view.roles);
    read_all<VmRecord>(paths::vms, vms, view.vms);
    read_all<OwnerRecord>(paths::owners, owners, view.owners);
    read_all<RunRecord>(paths::runs, runs, view.runs);
    read_all<WaitingRecord>(paths::waiting, waiting, view.waiting);
    read_all<FenceRecord>(paths::fences, fences, view.fences);
    read_all<EvidenceRecord>(paths::evidence, evidence, view.evidence);
    read_all<WitnessRecord>(paths::witnesses, witnesses, view.witnesses);
    read_jobs();
    view.complete = complete();
    for (const auto& [path, wrong] : view.broken)
      if (!broken_before.contains(path))
        runtime::log(Level::Error, "store entry " + path + " cannot be used, its object is left alone: " + wrong);
  }

  store::Store& store;
  runtime::Loop& loop;
  store::MirroredEntry cluster, leader;
  store::Mirror nodes, live, readiness, roles, vms, owners, runs, waiting, fences, evidence, witnesses, jobs;
  logic::ClusterView view;
  std::map<std::string, std::map<std::string, std::string>> read_from;  // by directory and name, what view has
  bool rebuild_pending = false;
  std::vector<std::function<void()>> listeners;
};

Cluster::Cluster(store::Store& store, runtime::Loop& loop) : state_(std::make_unique<State>(store, loop)) {}
Cluster::~Cluster() = default;

const logic::ClusterView& Cluster::view() const { return state_->view; }
store::Store& Cluster::store() { return state_->store; }
void Cluster::on_change(std::function<void()> listener) { state_->listeners.push_back(std::move(listener)); }
void Cluster::refresh() { state_->changed(); }

}  // namespace pvcd::core
