#include "logic/transactions.hpp"

namespace pvcd::logic {
namespace {

Key node_key(const NodeName& node) { return {Kind::Node, node}; }
Key fence_key(const NodeName& node) { return {Kind::Fence, node}; }
Key evidence_key(const BootId& boot) { return {Kind::Evidence, boot}; }

void add(Changes& to, const PutFence& act) {
  to.push_back(Check{node_key(act.record.victim.node), act.node_version});
  to.push_back(Put{fence_key(act.record.victim.node), act.record, act.replaces});
}

void add(Changes& to, const DropFence& act) { to.push_back(Remove{fence_key(act.node), act.version}); }

// Removing the live entry is the absence check: it fails while a session is there. Power evidence does not wait for the
// session to end, so there the session goes with it, if the counter has not moved.
void add(Changes& to, const CommitEvidence& act) {
  const Life& life = act.record.life;
  const Key entry = live_key(life.node, life.incarnation);
  to.push_back(Check{node_key(life.node), act.node_version});
  if (act.live_version) {
    to.push_back(Check{entry, *act.live_version});
    if (act.session && act.record.kind == EvidenceKind::Power)
      to.push_back(Remove{session_key(life.node, life.incarnation)});
    to.push_back(Remove{entry, *act.live_version});
  } else {
    to.push_back(Absent{entry});  // none was seen: one that could not be read forbids it all the same
  }
  to.push_back(Put{evidence_key(life.boot), act.record, act.replaces});
  if (act.fence) to.push_back(Put{fence_key(life.node), *act.fence, act.fence_version});
}

void add(Changes& to, const DropEvidence& act) { to.push_back(Remove{evidence_key(act.boot), act.version}); }

void add(Changes& to, const AssignVm& act) {
  to.push_back(Check{{Kind::Vm, act.uuid}, act.vm_version});
  to.push_back(Check{session_key(act.record.owner.node, act.record.owner.incarnation)});
  for (const BootId& boot : act.relies_on) to.push_back(Check{evidence_key(boot)});
  to.push_back(Put{{Kind::Owner, act.uuid}, act.record, act.replaces});
  to.push_back(Append{
      Kind::Link,
      LinkRecord{LinkKind::Assigned, act.record.generation, act.record.owner, act.record.epoch, {}, act.handover},
      act.uuid});
}

void add(Changes& to, const TellWaiting& act) {
  const Key key{Kind::Waiting, act.uuid};
  if (act.record)
    to.push_back(Put{key, *act.record, act.replaces});
  else
    to.push_back(Remove{key, act.replaces.value_or(any_version)});
}

void add(Changes& to, const UpdateVm& act) {
  to.push_back(Check{job_key(act.job), act.job_version});
  to.push_back(Put{{Kind::Vm, act.record.uuid}, act.record, act.version});
}

void add(Changes& to, const RemoveVm& act) {
  if (act.run_version) to.push_back(Remove{{Kind::Run, act.record.uuid}, *act.run_version});
  // The owner record stays: a VM that is defined again under this UUID goes on from its generation (S4).
  if (act.owner_version) to.push_back(Check{{Kind::Owner, act.record.uuid}, *act.owner_version});
  to.push_back(Remove{{Kind::Name, act.record.name}});
  for (const Key& image : image_keys(act.record)) to.push_back(Remove{image});
  to.push_back(Remove{{Kind::Vm, act.record.uuid}, act.version});
}

void add(Changes& to, const UpdateJob& act) { to.push_back(Put{job_key(act.record.id), act.record, act.version}); }
void add(Changes& to, const RemoveJob& act) { to.push_back(Remove{job_key(act.id), act.version}); }

void add(Changes& to, const PutReadiness& act) {
  to.push_back(Put{{Kind::Readiness, act.node}, act.record, act.replaces});
}

template <class Act>
concept Stored = requires(Changes& to, const Act& act) {
  add(to, act);
};

// What is asked of a plugin, or given up by the node itself, writes nothing.
template <class Act>
std::optional<Changes> changes_of(const Act&, const ClusterView&) {
  return std::nullopt;
}

template <Stored Act>
std::optional<Changes> changes_of(const Act& act, const ClusterView& view) {
  Changes changes = epoch_guard(view);
  add(changes, act);
  return changes;
}

}  // namespace

Changes epoch_guard(const ClusterView& view) {
  if (!view.leader) return {};
  return {Check{{Kind::Leader, {}}, view.leader->version}};
}

Outcome outcome_of(CommitCode code) {
  if (code == CommitCode::Unknown) return Outcome::Unknown;
  return code == CommitCode::Ok ? Outcome::Done : Outcome::Refused;
}

std::optional<Changes> transaction_of(const CoordinatorAct& act, const ClusterView& view) {
  return std::visit([&](const auto& one) { return changes_of(one, view); }, act);
}

Changes transaction_of(const WriteRun& act, const VmUuid& uuid) {
  Changes changes;
  const Key owner{Kind::Owner, uuid};
  if (act.vm_version) changes.push_back(Check{{Kind::Vm, uuid}, *act.vm_version});
  if (act.owner)
    changes.push_back(Put{owner, *act.owner, act.owner_version});
  else
    changes.push_back(Check{owner, act.owner_version});
  changes.push_back(Put{{Kind::Run, uuid}, act.record, act.replaces});
  if (act.link) changes.push_back(Append{Kind::Link, *act.link, uuid});
  return changes;
}

Changes transaction_of(const AskRelease& act, const NodeName& asking) {
  JobRecord job;
  job.type = "node-release-images";
  job.object = act.node;
  job.arguments["vm"] = act.vm;
  job.started_on = asking;
  return {Append{Kind::Job, job}};
}

Changes transaction_of(const FinishJob& act) { return {Put{job_key(act.record.id), act.record, act.version}}; }

}  // namespace pvcd::logic
