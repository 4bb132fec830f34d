#include "core/requests.hpp"

#include <systemd/sd-id128.h>

#include <algorithm>
#include <set>

#include "core/domain_xml.hpp"
#include "logic/ability.hpp"
#include "logic/high_water.hpp"
#include "logic/jobs.hpp"
#include "runtime/clock.hpp"
#include "sdk/plugin.hpp"
#include "store/changes.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

using logic::ClusterView;
using store::CommitCode;
using store::CommitResult;
namespace paths = store::paths;

namespace {

using Refusal = std::optional<RequestError>;
using Arguments = std::map<std::string, std::string>;

VmUuid fresh_uuid() {
  sd_id128_t id{};
  if (sd_id128_randomize(&id) < 0) throw Error("no random numbers from the kernel");
  char text[SD_ID128_UUID_STRING_MAX];
  return sd_id128_to_uuid_string(id, text);
}

RequestError invalid(const std::string& text) { return {ErrorKind::InvalidArgument, text}; }

RequestError error_of(CommitCode code) {
  switch (code) {
    case CommitCode::Ok:
      break;
    case CommitCode::NoEntry:
      return {ErrorKind::NotFound, "it was removed meanwhile; look again"};
    case CommitCode::Exists:
      return {ErrorKind::AlreadyExists, "it exists already; choose another name or UUID"};
    case CommitCode::BadVersion:
      return {ErrorKind::Busy, "somebody else changed it meanwhile; look again and repeat"};
    case CommitCode::NotEmpty:
      return {ErrorKind::Busy, "it is in use; repeat later"};
    case CommitCode::Denied:
      return {ErrorKind::Unavailable, "the cluster store refuses this node; check [store] of pvcd.toml and its secret"};
    case CommitCode::TooBig:
      return invalid("more than the cluster store takes in one entry; make it shorter");
    case CommitCode::Invalid:
      return {ErrorKind::Failed, "the cluster store does not take it; see the journal"};
    case CommitCode::Unknown:
      return {ErrorKind::Timeout, "the cluster store did not answer; it may have happened: look before you repeat it"};
  }
  return {ErrorKind::Failed, "unexpected"};
}

// ----------------------------------------------------------------------------------------------------------------
// checks

Refusal check_nodes(const ClusterView& view, const std::string& key, const std::vector<NodeName>& nodes) {
  if (std::set<NodeName>(nodes.begin(), nodes.end()).size() != nodes.size())
    return invalid(key + ": a node is named twice");
  for (const NodeName& node : nodes)
    if (!view.nodes.contains(node)) return invalid(key + ": no node '" + node + "' ever joined");
  return std::nullopt;
}

Refusal check_settings(const ClusterView& view, const VmSettings& settings) {
  if (settings.node_limit)
    if (auto refusal = check_nodes(view, "node_limit", *settings.node_limit)) return refusal;
  if (settings.tags && std::find(settings.tags->begin(), settings.tags->end(), "") != settings.tags->end())
    return invalid("tags: one of them is empty; leave it out");
  return std::nullopt;
}

void apply(const VmSettings& settings, VmRecord& vm) {
  if (settings.node_limit) vm.node_limit = *settings.node_limit;
  if (settings.priority) vm.priority = *settings.priority;
  if (settings.tags) vm.tags = *settings.tags;
  if (settings.profile) vm.profile = *settings.profile;
  if (settings.autostart) vm.autostart = *settings.autostart;
}

Refusal check_home(const VmRecord& vm, const std::string& key, const NodeName& home) {
  const bool limited = !vm.node_limit.empty();
  if (limited && std::find(vm.node_limit.begin(), vm.node_limit.end(), home) == vm.node_limit.end())
    return invalid(key + ": '" + home + "' is not in the VM's node_limit");
  return std::nullopt;
}

RequestError image_taken(const std::string& image, const std::string& by) {
  return {ErrorKind::Refused, image + " is a disk of " + by + " already; give each VM its own"};
}

// Of two files, or a folder and what lies in it. A local path is another one on each host; which is the shared one
// depends on what was configured when its VM was defined.
bool is_same_place(const Disk& a, const Disk& b) {
  if (a.kind == DiskKind::Rbd || b.kind == DiskKind::Rbd) return a.kind == b.kind && a.source == b.source;
  if (a.kind == DiskKind::Local && b.kind == DiskKind::Local) return false;
  const auto is_below = [](const Disk& one, const Disk& other) { return one.source.starts_with(other.source + "/"); };
  return a.source == b.source || is_below(a, b) || is_below(b, a);
}

// S1 is about images: two VMs that share one would be two writers. Here to name the other one; of two definitions in
// the same moment the transaction refuses one where the sources are equal, not where one is a folder that the other
// lies in.
Refusal check_images(const ClusterView& view, const VmRecord& vm) {
  for (const auto& [uuid, other] : view.vms)
    for (const Disk& theirs : other.value.disks)
      for (const Disk& disk : vm.disks)
        if (is_same_place(disk, theirs)) return image_taken(disk.source, "VM " + other.value.name);
  return std::nullopt;
}

// As one transaction: the entries of names and images make sure that two definitions in the same moment do not share
// any.
Changes definition_of(const VmRecord& vm) {
  Changes changes{Put{{Kind::Name, vm.name}, vm.uuid, std::nullopt}, Put{{Kind::Vm, vm.uuid}, vm, std::nullopt}};
  for (const Key& image : image_keys(vm)) changes.push_back(Put{image, vm.uuid, std::nullopt});
  return changes;
}

RequestError definition_error(const VmRecord& vm, const CommitResult& result) {
  constexpr std::size_t first_image = 2;
  if (result.code != CommitCode::Exists || result.failed < first_image) return error_of(result.code);
  std::vector<std::string> sources;
  for (const Disk& disk : vm.disks)
    if (disk.kind != DiskKind::Local) sources.push_back(disk.source);
  const std::size_t image = result.failed - first_image;
  return image < sources.size() ? image_taken(sources[image], "another VM") : error_of(result.code);
}

Refusal check_taken(const ClusterView& view, const VmRecord& vm) {
  if (view.vms.contains(vm.uuid))
    return RequestError{ErrorKind::AlreadyExists, "UUID " + vm.uuid + " is taken; give another"};
  for (const auto& [uuid, other] : view.vms)
    if (other.value.name == vm.name)
      return RequestError{ErrorKind::AlreadyExists, "name '" + vm.name + "' is taken; give another"};
  return std::nullopt;
}

std::string argument(const Arguments& arguments, const std::string& key) {
  auto found = arguments.find(key);
  return found == arguments.end() ? "" : found->second;
}

// Without its plugin it would be announced, or wanted, and wait for hours.
Refusal check_ability(const std::string& objection) {
  return objection.empty() ? Refusal() : RequestError{ErrorKind::Unavailable, objection};
}

Refusal check_move(const ClusterView& view, const VmRecord& vm, const NodeName& node) {
  if (node.empty()) return std::nullopt;  // the primary chooses
  if (!view.nodes.contains(node)) return RequestError{ErrorKind::NotFound, "no node '" + node + "' ever joined"};
  return check_home(vm, "node", node);
}

Refusal check_confirm_off(const ClusterView& view, const NodeRecord& node, const BootId& boot) {
  if (boot.empty()) return invalid("boot_id: missing; take the BootId that " + node.name + " had when it went off");
  if (boot != node.boot) return invalid("boot_id: the last known boot of " + node.name + " is " + node.boot);
  const logic::Live* live = live_of(view, node);
  if (live && live->session)
    return RequestError{ErrorKind::Unsafe, node.name + " shows life in this boot; it is not off. Fence it instead"};
  return std::nullopt;
}

// That it is no coordinator is said by the primary.
Refusal check_become_primary(const ClusterView& view, const NodeName& node,
                             const logic::CoordinatorSettings& settings) {
  const auto& coordinators = settings.coordinators;
  if (std::find(coordinators.begin(), coordinators.end(), node) == coordinators.end()) return std::nullopt;
  return check_ability(logic::objection_to_handover(view, {node}, settings.needs));
}

Refusal check_step_down(const ClusterView& view, const NodeName& node, const logic::CoordinatorSettings& settings) {
  const LeaderRecord* leader = primary_of(view);
  if (leader && leader->node == node) {
    std::vector<NodeName> others = settings.coordinators;
    std::erase(others, node);
    return check_ability(logic::objection_to_handover(view, others, settings.needs));
  }
  return RequestError{ErrorKind::NotPrimary, leader ? "the primary is " + leader->node + "; ask that one to step down"
                                                    : std::string("there is no primary; nothing has to step down")};
}

RequestError unknown_vm(const ClusterView& view, const VmUuid& uuid) {
  const std::string path = store::paths::under(store::paths::vms, uuid);
  const auto broken = view.broken.find(path);
  if (broken == view.broken.end()) return {ErrorKind::NotFound, "no VM " + uuid};
  return {ErrorKind::Unavailable, "store entry " + path + " cannot be used, repair it first: " + broken->second};
}

Refusal check_vm_job(const ClusterView& view, const logic::UnitNeeds& needs, std::string_view type, const VmRecord& vm,
                     const Arguments& arguments) {
  if (type == "vm-start") return check_ability(logic::objection_to_start(view, vm, needs));
  if (type == "vm-restart") return check_ability(logic::objection_to_restart(view, vm, needs));
  if (type == "vm-stop" || type == "vm-shutdown" || type == "vm-disable")
    return check_ability(logic::objection_to_stop(view, vm, needs));
  if (type != "vm-move") return std::nullopt;
  if (auto refusal = check_move(view, vm, argument(arguments, "node"))) return refusal;
  return check_ability(logic::objection_to_move(view, vm, needs));
}

Refusal check_job(const ClusterView& view, const Requests::Place& place, const logic::JobType& type,
                  const std::string& object, const Arguments& arguments) {
  if (type.target == logic::Target::Vm) {
    auto vm = view.vms.find(object);
    if (vm == view.vms.end()) return unknown_vm(view, object);
    return check_vm_job(view, place.settings.needs, type.name, vm->second.value, arguments);
  }
  auto node = view.nodes.find(object);
  if (node == view.nodes.end()) return RequestError{ErrorKind::NotFound, "no node '" + object + "' ever joined"};
  if (type.name == "node-confirm-off")
    return check_confirm_off(view, node->second.value, argument(arguments, "boot_id"));
  if (type.name == "node-fence")
    return check_ability(logic::objection_to_fence(view, node->second.value, place.fencer, place.settings));
  if (type.name == "node-verify-fence")
    return check_ability(logic::objection_to_verification(view, place.fencer, place.settings));
  if (type.name == "node-become-primary") return check_become_primary(view, object, place.settings);
  if (type.name == "node-step-down") return check_step_down(view, object, place.settings);
  return std::nullopt;
}

// The object of a job, as decisions name it.
std::string about(const JobRecord& job) {
  const logic::JobType* type = logic::find_job_type(job.type);
  return (type && type->target == logic::Target::Vm ? "vm/" : "node/") + job.object;
}

store::Committed answer(Reply<std::monostate> reply) {
  return [reply = std::move(reply)](const CommitResult& result) {
    if (result.code == CommitCode::Ok) return reply(std::monostate{});
    reply(error_of(result.code));
  };
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------------
// writes

// Commits what concerns the whole cluster under the leadership that was seen (S3). Once, if only that has moved
// meanwhile, it reads the leadership again and repeats: what was decided from it checks that for itself.
struct Requests::Writer : std::enable_shared_from_this<Writer> {
  using Committed = std::function<void(const CommitResult&)>;  // `failed` counts without the leadership check

  Writer(Cluster& seen, Decisions& told) : cluster(seen), decisions(told) {}

  std::optional<Version> leader_version() const {
    const ClusterView& view = cluster.view();
    return view.leader ? std::optional(view.leader->version) : std::nullopt;
  }

  void commit(Changes changes, Committed committed) {
    const auto leader = leader_version();
    if (!leader) return send(std::move(changes), std::move(committed));
    auto repeat = changes;
    send_under(*leader, std::move(changes), [this, repeat, committed](const CommitResult& result) {
      const bool leader_moved = result.code == CommitCode::BadVersion && result.failed == 0;
      if (!leader_moved) return committed(without_check(result));
      read_leader_and_send(repeat, committed);
    });
  }

  void read_leader_and_send(const Changes& changes, const Committed& committed) {
    auto read = [self = weak_from_this(), changes, committed](const store::ReadResult& leader) {
      auto writer = self.lock();
      if (!writer) return;
      CommitResult moved;
      moved.code = CommitCode::BadVersion;
      if (leader.code != store::ReadCode::Ok) return committed(moved);
      writer->send_under(leader.entry.version, changes,
                         [committed](const CommitResult& result) { committed(without_check(result)); });
    };
    cluster.store().get(paths::leader, std::move(read));
  }

  void send_under(Version leader, Changes changes, Committed committed) {
    changes.insert(changes.begin(), Check{{Kind::Leader, {}}, leader});
    send(std::move(changes), std::move(committed));
  }

  void send(Changes changes, Committed committed) {
    const auto decision = decision_in(changes);
    store::commit(cluster.store(), changes, [self = weak_from_this(), committed, decision](const CommitResult& result) {
      const auto writer = self.lock();
      if (!writer) return;
      if (result.code == CommitCode::Ok && decision)
        writer->decisions.announce(Level::Notice, *decision, result.created.back(), vm_of(*decision));
      committed(result);
    });
  }

  // The last of the changes.
  static std::optional<DecisionRecord> decision_in(const Changes& changes) {
    const auto* last = changes.empty() ? nullptr : std::get_if<Append>(&changes.back());
    const auto* record = last ? std::get_if<DecisionRecord>(&last->record) : nullptr;
    return record ? std::optional(*record) : std::nullopt;
  }
  static std::string vm_of(const DecisionRecord& record) {
    static constexpr std::string_view prefix = "vm/";
    return record.object.starts_with(prefix) ? record.object.substr(prefix.size()) : std::string();
  }

  static CommitResult without_check(CommitResult result) {
    if (result.failed > 0) --result.failed;
    return result;
  }

  Refusal unavailable(const NodeName& self) const {
    if (cluster.store().state() == store::SessionState::Connected && cluster.view().complete) return std::nullopt;
    return RequestError{ErrorKind::Unavailable,
                        self + " does not reach the cluster store; ask another node, or see that its servers answer"};
  }

  Cluster& cluster;
  Decisions& decisions;
};

Requests::Requests(Cluster& cluster, Decisions& decisions, Place place)
    : cluster_(cluster), place_(std::move(place)), writer_(std::make_shared<Writer>(cluster, decisions)) {}
Requests::~Requests() = default;

// Who asked for what: in the transaction that makes it so (S7).
Append Requests::decision(const std::string& what, const std::string& object, const Caller& caller) const {
  const ClusterView& view = cluster_.view();
  DecisionRecord record;
  record.what = what;
  record.because = "uid " + std::to_string(caller.uid) + " asked for it on " + place_.self;
  record.object = object;
  record.epoch = logic::epoch_of(view);
  record.node = place_.self;
  record.time = runtime::realtime_us();
  return {Kind::Decision, record};
}

void Requests::define_vm(const std::string& xml, const NodeName& home, const VmSettings& settings, const Caller& caller,
                         Reply<VmUuid> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  const auto parsed = parse_domain(xml, fresh_uuid(), place_.shared_directories);
  if (auto* wrong = std::get_if<DomainError>(&parsed)) return reply(invalid("xml: " + wrong->text));
  const Domain& domain = std::get<Domain>(parsed);
  const ClusterView& view = cluster_.view();
  VmRecord vm;
  vm.uuid = domain.uuid;
  vm.name = domain.name;
  vm.xml = domain.xml;
  vm.home = home;
  vm.memory = domain.memory;
  vm.vcpus = domain.vcpus;
  vm.disks = domain.disks;
  if (auto refusal = check_settings(view, settings)) return reply(*refusal);
  apply(settings, vm);
  if (!home.empty()) {
    if (auto refusal = check_nodes(view, "home_node", {home})) return reply(*refusal);
    if (auto refusal = check_home(vm, "home_node", home)) return reply(*refusal);
  }
  if (auto refusal = check_taken(view, vm)) return reply(*refusal);
  if (auto refusal = check_images(view, vm)) return reply(*refusal);
  auto changes = definition_of(vm);
  changes.push_back(decision("define " + vm.name, "vm/" + vm.uuid, caller));
  writer_->commit(std::move(changes), [reply, vm](const CommitResult& result) {
    if (result.code == CommitCode::Ok) return reply(vm.uuid);
    reply(definition_error(vm, result));
  });
}

void Requests::configure_vm(const VmUuid& uuid, const VmSettings& settings, const Caller& caller,
                            Reply<std::monostate> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  const ClusterView& view = cluster_.view();
  auto found = view.vms.find(uuid);
  if (found == view.vms.end()) return reply(unknown_vm(view, uuid));
  if (auto refusal = check_settings(view, settings)) return reply(*refusal);
  VmRecord vm = found->second.value;
  apply(settings, vm);
  writer_->commit(
      {Put{{Kind::Vm, uuid}, vm, found->second.version}, decision("configure " + vm.name, "vm/" + uuid, caller)},
      answer(std::move(reply)));
}

void Requests::submit(const std::string& type_name, const std::string& object, const Arguments& arguments,
                      const Caller& caller, Reply<std::uint64_t> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  const logic::JobType* type = logic::find_job_type(type_name);
  if (!type) return reply(RequestError{ErrorKind::Failed, "no job of type " + type_name});
  if (auto refusal = check_job(cluster_.view(), place_, *type, object, arguments)) return reply(*refusal);
  JobRecord job;
  job.type = type_name;
  job.object = object;
  job.arguments = arguments;
  job.started_on = place_.self;
  job.started_by_uid = caller.uid;
  job.start_time = runtime::realtime_us();
  writer_->send(
      {Append{Kind::Job, job}, decision("take on " + type_name, about(job), caller)},
      [reply](const CommitResult& result) {
        if (result.code != CommitCode::Ok) return reply(error_of(result.code));
        const auto id = result.created.empty() ? std::nullopt : number_of(result.created.front());
        if (!id)
          return reply(RequestError{ErrorKind::Failed, "the cluster store gave the job no number; see the journal"});
        reply(*id);
      });
}

void Requests::cancel_job(std::uint64_t id, const Caller& caller, Reply<std::monostate> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  auto found = cluster_.view().jobs.find(id);
  if (found == cluster_.view().jobs.end())
    return reply(RequestError{ErrorKind::NotFound, "no job " + std::to_string(id)});
  JobRecord job = found->second.value;
  if (job.state != JobState::Queued)
    return reply(
        RequestError{ErrorKind::Refused, job.state == JobState::Running
                                             ? "the job is under way; ask for the opposite when it has finished"
                                             : "the job has finished"});
  job.state = JobState::Finished;
  job.result = JobResult::Canceled;
  job.message = "canceled before it began";
  writer_->commit({Put{job_key(id), job, found->second.version},
                   decision("cancel job " + std::to_string(id) + " (" + job.type + ")", about(job), caller)},
                  answer(std::move(reply)));
}

void Requests::set_maintenance(bool on, const Caller& caller, Reply<std::monostate> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  const auto& seen = cluster_.view().cluster;
  if (!seen)
    return reply(RequestError{ErrorKind::Unavailable, "the cluster has no record yet; repeat when a primary is there"});
  ClusterRecord cluster = seen->value;
  cluster.maintenance = on;
  writer_->commit({Put{{Kind::Cluster, {}}, cluster, seen->version},
                   decision(on ? "begin maintenance" : "end maintenance", "", caller)},
                  answer(std::move(reply)));
}

void Requests::accept_store(const Caller& caller, Reply<std::monostate> reply) {
  if (auto refusal = writer_->unavailable(place_.self)) return reply(*refusal);
  Changes changes = logic::acceptance(cluster_.view());
  if (changes.empty())
    return reply(RequestError{ErrorKind::Refused, "no node says that the store is behind what it has seen"});
  changes.push_back(decision("accept the store as it is", "", caller));
  writer_->commit(std::move(changes), answer(std::move(reply)));
}

}  // namespace pvcd::core
