// What is seen of the cluster at one moment: the store's records with their versions. Decisions are functions of it; a
// plan built on it is refused by the store when a record has moved on (its version is checked in the same transaction).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sdk/model.hpp"

namespace pvcd::logic {

template <class Record>
struct Seen {
  Record value;
  Version version = 0;
  bool operator==(const Seen&) const = default;
};

struct Live {
  LiveRecord value;
  Version version = 0;
  bool session = false;  // its ephemeral child is there
  bool operator==(const Live&) const = default;
};

struct ClusterView {
  std::optional<Seen<ClusterRecord>> cluster;
  std::optional<Seen<LeaderRecord>> leader;
  std::map<NodeName, Seen<NodeRecord>> nodes;
  std::map<std::pair<NodeName, Incarnation>, Live> live;
  std::map<NodeName, Seen<ReadinessRecord>> readiness;
  std::map<NodeName, Seen<RoleRecord>> roles;
  std::map<VmUuid, Seen<VmRecord>> vms;
  std::map<VmUuid, Seen<OwnerRecord>> owners;
  std::map<VmUuid, Seen<RunRecord>> runs;
  std::map<VmUuid, Seen<WaitingRecord>> waiting;
  std::map<NodeName, Seen<FenceRecord>> fences;
  std::map<BootId, Seen<EvidenceRecord>> evidence;
  std::map<NodeName, Seen<WitnessRecord>> witnesses;
  std::map<std::uint64_t, Seen<JobRecord>> jobs;

  // Entries that could not be understood: path -> what is wrong. Their objects are left alone and shown as such.
  std::map<std::string, std::string> broken;
  bool complete = false;  // everything has been read since the session began; decide nothing before
};

// The live entry of the node's recorded incarnation, if there is one.
inline const Live* live_of(const ClusterView& view, const NodeRecord& node) {
  auto found = view.live.find({node.name, node.incarnation});
  return found == view.live.end() ? nullptr : &found->second;
}

// Of the person who set it: nobody is fenced and no VM of a lost node is recovered. Election, jobs and evidence that
// comes by itself go on (finding F25).
inline bool in_maintenance(const ClusterView& view) { return view.cluster && view.cluster->value.maintenance; }

// The newest that this view has seen; 0: nobody has been primary yet.
inline Epoch epoch_of(const ClusterView& view) { return view.leader ? view.leader->value.epoch : 0; }

// Leadership counts only while the holder's incarnation is alive.
inline const LeaderRecord* primary_of(const ClusterView& view) {
  if (!view.leader || view.leader->value.node.empty()) return nullptr;
  const LeaderRecord& leader = view.leader->value;
  auto found = view.live.find({leader.node, leader.incarnation});
  return found != view.live.end() && found->second.session ? &leader : nullptr;
}

}  // namespace pvcd::logic
