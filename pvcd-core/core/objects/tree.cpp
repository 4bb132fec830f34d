#include "core/objects/tree.hpp"

#include <algorithm>

#include "core/cluster_vms.hpp"
#include "core/objects/job_object.hpp"
#include "core/objects/manager_object.hpp"
#include "core/objects/node_object.hpp"
#include "core/objects/vm_object.hpp"
#include "logic/coordinator.hpp"
#include "runtime/names.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

namespace names = runtime::names;

namespace {

constexpr Microseconds appearance_limit =
    seconds(5);  // a call whose object does not appear by then is answered all the same
constexpr Microseconds expiry_interval = seconds(1);

bool is_broken(const logic::ClusterView& view, const std::string& directory, const std::string& name) {
  return view.broken.contains(store::paths::under(directory, name));
}

// Of a VM whose record cannot be read its UUID is known, and what is wrong with it.
VmRecord unreadable(const VmUuid& uuid) {
  VmRecord record;
  record.uuid = record.name = uuid;
  return record;
}

}  // namespace

Tree::Tree(runtime::Loop& loop, sdbus::IConnection& connection, runtime::Polkit& polkit, Cluster& cluster,
           Requests& requests, Explanations& explanations, Place place, Clock clock)
    : connection_(connection),
      cluster_(cluster),
      place_(std::move(place)),
      clock_(std::move(clock)),
      gate_(polkit),
      desk_(cluster, requests, explanations, gate_,
            [this](const std::string& path, std::function<void()> present) { when_present(path, std::move(present)); }),
      manager_(std::make_unique<ManagerObject>(connection, desk_, place_.self, ManagerProperties{})),
      expiry_(loop.every(expiry_interval, [this] { expire(clock_()); })) {
  update();
}

Tree::~Tree() = default;

void Tree::update() {
  const logic::ClusterView& view = cluster_.view();
  const Instant now = clock_();
  if (view.complete) {
    sightings_.look(view, now);
    update_nodes();
    update_vms();
    update_jobs(now);
    seen_once_ = true;
    tell_waiting(now);
  }
  const bool connected = cluster_.store().state() == store::SessionState::Connected;
  manager_->update(derive_manager(view, place_.self, connected, sightings_.age(place_.self, now)));
}

void Tree::update_nodes() {
  const logic::ClusterView& view = cluster_.view();
  const auto totals = node_totals(view);
  for (const auto& [name, node] : view.nodes) {
    const bool coordinator =
        std::find(place_.coordinators.begin(), place_.coordinators.end(), name) != place_.coordinators.end();
    auto sums = totals.find(name);
    NodeProperties shown = derive_node(view, node.value, sums == totals.end() ? NodeTotals{} : sums->second,
                                       coordinator, sightings_.of(name)->last_state);
    auto& object = nodes_[name];
    const auto age = [this](const NodeName& of) { return sightings_.age(of, clock_()); };
    object ? object->update(std::move(shown))
           : void(object = std::make_unique<NodeObject>(connection_, desk_, age, std::move(shown)));
  }
  std::erase_if(nodes_, [&](const auto& known) {
    return !view.nodes.contains(known.first) && !is_broken(view, store::paths::nodes, known.first);
  });
}

void Tree::update_vms() {
  const logic::ClusterView& view = cluster_.view();
  for (const VmUuid& uuid : cluster_vms(view)) {
    if (!names::is_uuid(uuid)) continue;  // of an entry that is not ours
    auto seen = view.vms.find(uuid);
    VmProperties shown = seen == view.vms.end() ? derive_vm(view, unreadable(uuid), place_.needs)
                                                : derive_vm(view, seen->second.value, place_.needs);
    auto& object = vms_[uuid];
    object ? object->update(std::move(shown))
           : void(object = std::make_unique<VmObject>(connection_, desk_, std::move(shown)));
  }
  std::erase_if(vms_, [&](const auto& known) {
    return !view.vms.contains(known.first) && !is_broken(view, store::paths::vms, known.first);
  });
}

void Tree::update_jobs(Instant now) {
  const logic::ClusterView& view = cluster_.view();
  for (const auto& [id, job] : view.jobs) update_job(id, derive_job(view, id, job.value, place_.needs), now);
  for (auto& [id, job] : jobs_) {
    if (view.jobs.contains(id) || job.finished_at) continue;
    JobProperties shown = job.object->properties();
    shown.state = JobState::Finished;
    shown.result = JobResult::Timeout;
    shown.message = "it went from the store before its end was seen here; look at the object itself";
    job.object->update(std::move(shown));
    finish_job(job, now);
  }
  std::erase_if(jobs_, [&](const auto& known) { return !known.second.object && !view.jobs.contains(known.first); });
}

void Tree::update_job(std::uint64_t id, JobProperties shown, Instant now) {
  const bool finished = shown.state == JobState::Finished;
  auto [known, is_new] = jobs_.try_emplace(id);
  Job& job = known->second;
  if (is_new) {
    job.object = std::make_unique<JobObject>(connection_, desk_, std::move(shown));
    if (seen_once_) manager_->emitJobNew(job.object->properties().id, names::job_path(id));
  } else if (job.object) {
    job.object->update(std::move(shown));
  }
  if (finished && !job.finished_at) finish_job(job, now);
}

void Tree::finish_job(Job& job, Instant now) {
  job.finished_at = now;
  const JobProperties& shown = job.object->properties();
  if (seen_once_) manager_->emitJobRemoved(shown.id, names::job_path(shown.id), text_of(shown.result));
}

void Tree::expire(Instant now) {
  for (auto& [id, job] : jobs_)
    if (job.finished_at && now - *job.finished_at >= logic::finished_job_shown) job.object.reset();
  const logic::ClusterView& view = cluster_.view();
  if (view.complete)
    std::erase_if(jobs_, [&](const auto& known) { return !known.second.object && !view.jobs.contains(known.first); });
  tell_waiting(now);
}

bool Tree::is_present(const std::string& path) const {
  const auto is_at = [&](const auto& known) { return known.second.object && names::job_path(known.first) == path; };
  if (auto uuid = names::vm_of_path(path)) return vms_.contains(*uuid);
  return std::any_of(jobs_.begin(), jobs_.end(), is_at);
}

void Tree::when_present(const std::string& path, std::function<void()> present) {
  if (is_present(path)) return present();
  waiting_.push_back({path, std::move(present), clock_() + appearance_limit});
}

void Tree::tell_waiting(Instant now) {
  auto due = std::stable_partition(waiting_.begin(), waiting_.end(),
                                   [&](const Waiting& one) { return now < one.not_after && !is_present(one.path); });
  std::vector<Waiting> told(std::make_move_iterator(due), std::make_move_iterator(waiting_.end()));
  waiting_.erase(due, waiting_.end());
  for (const Waiting& one : told) one.present();
}

void Tree::emit_decision(std::uint64_t id, const std::string& json) { manager_->emitDecision(id, json); }

}  // namespace pvcd::core
