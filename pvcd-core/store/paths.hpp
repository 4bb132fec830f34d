// Where each kind of entry lives. Directories are flat, so that one Mirror serves each.
#pragma once

#include <string>
#include <vector>

#include "sdk/model.hpp"

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
inline const std::string owners = "/owners";        // <uuid>: OwnerRecord
inline const std::string runs = "/runs";            // <uuid>: RunRecord
inline const std::string waiting = "/waiting";      // <uuid>: WaitingRecord
inline const std::string fences = "/fences";        // <node>: FenceRecord
inline const std::string evidence = "/evidence";    // <boot id>: EvidenceRecord
inline const std::string jobs = "/jobs";            // j<sequence>: JobRecord
inline const std::string decisions = "/decisions";  // d<sequence>: text for people, bounded

// What a store creates when it is opened.
inline const std::vector<std::string> directories = {nodes,  live, readiness, roles,  vms,      names, images,
                                                     owners, runs, waiting,   fences, evidence, jobs,  decisions};

inline std::string under(const std::string& directory, const std::string& name) { return directory + "/" + name; }
inline std::string live_name(const NodeName& node, Incarnation incarnation) {
  return node + "." + std::to_string(incarnation);
}
inline std::string live_entry(const NodeName& node, Incarnation incarnation) {
  return under(live, live_name(node, incarnation));
}
inline std::string live_session(const NodeName& node, Incarnation incarnation) {
  return live_entry(node, incarnation) + "/session";
}

// A disk that more than one host can reach, as the name of an entry: "rbd:vms%2Fweb1".
inline std::string image_name(const Disk& disk) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string name = disk.kind == DiskKind::Rbd ? "rbd:" : "shared:";
  for (const char letter : disk.source) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       byte == '-' || byte == '_' || byte == '.';
    name += plain ? std::string{letter} : std::string{'%', digits[byte / 16], digits[byte % 16]};
  }
  return name;
}
inline std::string image_of(const Disk& disk) { return under(images, image_name(disk)); }
inline std::vector<std::string> images_of(const VmRecord& vm) {
  std::vector<std::string> entries;
  for (const Disk& disk : vm.disks)
    if (disk.kind != DiskKind::Local) entries.push_back(image_of(disk));
  return entries;
}

}  // namespace pvcd::store::paths
