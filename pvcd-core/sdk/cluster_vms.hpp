// Which VMs are the cluster's, for who must know it while pvcd is stopped: one UUID a line in a file of this name in
// the state directory, which survives a reboot. The core writes it, libvirt's hook reads it.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "sdk/types.hpp"

namespace pvcd {

inline constexpr const char* cluster_vms_name = "cluster-vms";

std::string encode_cluster_vms(const std::set<VmUuid>&);
std::set<VmUuid> decode_cluster_vms(std::string_view);

}  // namespace pvcd
