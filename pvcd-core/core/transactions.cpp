#include "core/transactions.hpp"

#include "core/test_switches.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

namespace paths = store::paths;
using store::Check;
using store::Create;
using store::encode;
using store::Remove;
using store::Set;

std::string job_path(std::uint64_t id) {
  std::string digits = std::to_string(id);
  return paths::under(paths::jobs, "j" + std::string(digits.size() < 10 ? 10 - digits.size() : 0, '0') + digits);
}

void put(Transaction& transaction, const std::string& path, std::string data, std::optional<Version> replaces) {
  if (replaces)
    transaction.push_back(Set{path, std::move(data), *replaces});
  else
    transaction.push_back(Create{path, std::move(data), false, false});
}

void add(Transaction& to, const logic::PutFence& act) {
  to.push_back(Check{paths::under(paths::nodes, act.record.victim.node), act.node_version});
  put(to, paths::under(paths::fences, act.record.victim.node), encode(act.record), act.replaces);
}

void add(Transaction& to, const logic::DropFence& act) {
  to.push_back(Remove{paths::under(paths::fences, act.node), act.version});
}

// Removing the live entry is the absence check: it fails while a session is there. Power evidence does not wait for the
// session to end, so there the session goes with it, if the counter has not moved.
void add(Transaction& to, const logic::CommitEvidence& act) {
  const Life& life = act.record.life;
  to.push_back(Check{paths::under(paths::nodes, life.node), act.node_version});
  if (act.live_version) {
    to.push_back(Check{paths::live_entry(life.node, life.incarnation), *act.live_version});
    if (act.session && act.record.kind == EvidenceKind::Power)
      to.push_back(Remove{paths::live_session(life.node, life.incarnation), any_version});
    to.push_back(Remove{paths::live_entry(life.node, life.incarnation), *act.live_version});
  }
  if (!act.live_version) {
    // None was seen: this fails if there is one all the same, for example one that could not be read.
    to.push_back(Create{paths::live_entry(life.node, life.incarnation), {}, false, false});
    to.push_back(Remove{paths::live_entry(life.node, life.incarnation), any_version});
  }
  to.push_back(Create{paths::under(paths::evidence, life.boot), encode(act.record), false, false});
  if (act.fence) put(to, paths::under(paths::fences, life.node), encode(*act.fence), act.fence_version);
}

void add(Transaction& to, const logic::DropEvidence& act) {
  to.push_back(Remove{paths::under(paths::evidence, act.boot), act.version});
}

void add(Transaction& to, const logic::AssignVm& act) {
  to.push_back(Check{paths::under(paths::vms, act.uuid), act.vm_version});
  to.push_back(Check{paths::live_session(act.record.owner.node, act.record.owner.incarnation), any_version});
  for (const BootId& boot : act.relies_on) to.push_back(Check{paths::under(paths::evidence, boot), any_version});
  put(to, paths::under(paths::owners, act.uuid), encode(act.record), act.replaces);
}

void add(Transaction& to, const logic::TellWaiting& act) {
  const std::string path = paths::under(paths::waiting, act.uuid);
  if (act.record)
    put(to, path, encode(*act.record), act.replaces);
  else
    to.push_back(Remove{path, act.replaces.value_or(any_version)});
}

void add(Transaction& to, const logic::UpdateVm& act) {
  to.push_back(Set{paths::under(paths::vms, act.record.uuid), encode(act.record), act.version});
}

void add(Transaction& to, const logic::RemoveVm& act) {
  if (act.run_version) to.push_back(Remove{paths::under(paths::runs, act.record.uuid), *act.run_version});
  // The owner record stays: a VM that is defined again under this UUID goes on from its generation (S4).
  if (act.owner_version) to.push_back(Check{paths::under(paths::owners, act.record.uuid), *act.owner_version});
  to.push_back(Remove{paths::under(paths::names, act.record.name), any_version});
  for (const std::string& image : paths::images_of(act.record)) to.push_back(Remove{image, any_version});
  to.push_back(Remove{paths::under(paths::vms, act.record.uuid), act.version});
}

void add(Transaction& to, const logic::UpdateJob& act) {
  to.push_back(Set{job_path(act.record.id), encode(act.record), act.version});
}
void add(Transaction& to, const logic::RemoveJob& act) { to.push_back(Remove{job_path(act.id), act.version}); }

void add(Transaction& to, const logic::PutReadiness& act) {
  put(to, paths::under(paths::readiness, act.node), encode(act.record), act.replaces);
}

template <class Act>
concept Stored = requires(Transaction& to, const Act& act) {
  add(to, act);
};

}  // namespace

Transaction epoch_guard(const logic::ClusterView& view) {
  if (!view.leader || switched("epoch-check-off")) return {};
  return {Check{paths::leader, view.leader->version}};
}

std::optional<Transaction> transaction_of(const logic::CoordinatorAct& act, const logic::ClusterView& view) {
  return std::visit(
      [&]<class Act>(const Act& one) -> std::optional<Transaction> {
        if constexpr (Stored<Act>) {
          Transaction transaction = epoch_guard(view);
          add(transaction, one);
          return transaction;
        } else {
          return std::nullopt;
        }
      },
      act);
}

Transaction transaction_of(const logic::WriteRun& act, const VmUuid& uuid) {
  Transaction transaction;
  if (act.owner)
    transaction.push_back(
        Set{paths::under(paths::owners, uuid), encode(*act.owner), act.owner_version.value_or(any_version)});
  else if (act.owner_version)
    transaction.push_back(Check{paths::under(paths::owners, uuid), *act.owner_version});
  put(transaction, paths::under(paths::runs, uuid), encode(act.record), act.replaces);
  return transaction;
}

Transaction transaction_of(const logic::AskRelease& act, const NodeName& asking) {
  JobRecord job;
  job.type = "node-release-images";
  job.object = act.node;
  job.arguments["vm"] = act.vm;
  job.started_on = asking;
  return {Create{paths::under(paths::jobs, "j"), encode(job), false, true}};
}

Transaction transaction_of(const logic::FinishJob& act) {
  return {Set{job_path(act.record.id), encode(act.record), act.version}};
}

void add_decision(Transaction& transaction, const std::string& json) {
  transaction.push_back(Create{paths::under(paths::decisions, "d"), json, false, true});
}

}  // namespace pvcd::core
