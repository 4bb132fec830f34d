#include "core/cluster_vms.hpp"

#include "core/small_file.hpp"
#include "sdk/cluster_vms.hpp"
#include "sdk/plugin.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

std::set<VmUuid> cluster_vms(const logic::ClusterView& view) {
  const std::string below = store::paths::under(store::paths::vms, "");
  std::set<VmUuid> vms;
  for (const auto& [uuid, vm] : view.vms) vms.insert(uuid);
  for (const auto& [path, wrong] : view.broken)
    if (path.starts_with(below)) vms.insert(path.substr(below.size()));
  return vms;
}

std::string ClusterVms::keep(const logic::ClusterView& view) {
  if (!view.complete || !view.cluster) return {};
  if (!std::exchange(read_, true)) kept_ = read_small_file(file_).value_or("");
  const std::string text = encode_cluster_vms(cluster_vms(view));
  if (text == kept_) return {};
  try {
    replace_small_file(file_, text);
  } catch (const Error& error) {
    return error.what();
  }
  kept_ = text;
  return {};
}

}  // namespace pvcd::core
