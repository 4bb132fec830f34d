#include "sdk/cluster_vms.hpp"

#include <algorithm>

namespace pvcd {

std::string encode_cluster_vms(const std::set<VmUuid>& vms) {
  std::string text;
  for (const VmUuid& uuid : vms) text += uuid + "\n";
  return text;
}

std::set<VmUuid> decode_cluster_vms(std::string_view text) {
  std::set<VmUuid> vms;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) vms.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return vms;
}

}  // namespace pvcd
