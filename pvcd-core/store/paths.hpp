// Where each kind of entry lives. Directories are flat, so that one Mirror serves each.
#pragma once

#include <string>
#include <vector>

#include "sdk/change.hpp"

namespace pvcd::store::paths {

inline const std::string cluster = "/cluster";      // ClusterRecord
inline const std::string leader = "/leader";        // LeaderRecord
inline const std::string nodes = "/nodes";          // <node>: NodeRecord
inline const std::string live = "/live";            // <node>.<incarnation>: LiveRecord; child "session" is ephemeral
inline const std::string readiness = "/readiness";  // <node>: ReadinessRecord
inline const std::string roles = "/roles";          // <node>: RoleRecord
inline const std::string vms = "/vms";              // <uuid>: VmRecord
inline const std::string names = "/names";          // <vm name>: uuid; makes names unique
inline const std::string images = "/images";        // image_name(): uuid; makes disks unique (S1)
inline const std::string owners = "/owners";        // <uuid>: OwnerRecord; children l<sequence>: LinkRecord, bounded
inline const std::string runs = "/runs";            // <uuid>: RunRecord
inline const std::string waiting = "/waiting";      // <uuid>: WaitingRecord
inline const std::string fences = "/fences";        // <node>: FenceRecord
inline const std::string evidence = "/evidence";    // <boot id>: EvidenceRecord
inline const std::string witnesses = "/witnesses";  // <node>: WitnessRecord
inline const std::string jobs = "/jobs";            // j<sequence>: JobRecord
inline const std::string decisions = "/decisions";  // d<sequence>: text for people, bounded
inline const std::string storage = "/storage";      // summary_name: StorageRecord; osds-<page>: OsdPageRecord
inline const std::string summary_name = "summary";

// What a store creates when it is opened.
inline const std::vector<std::string> directories = {nodes,     live,   readiness, roles,   vms,    names,
                                                     images,    owners, runs,      waiting, fences, evidence,
                                                     witnesses, jobs,   decisions, storage};

inline std::string under(const std::string& directory, const std::string& name) { return directory + "/" + name; }

std::string of(const Key&);
inline std::string live_entry(const NodeName& node, Incarnation incarnation) { return of(live_key(node, incarnation)); }
inline std::string live_session(const NodeName& node, Incarnation incarnation) {
  return of(session_key(node, incarnation));
}

}  // namespace pvcd::store::paths
