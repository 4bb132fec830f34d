#include "start_guard.hpp"

#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <set>

#include "domain_xml.hpp"
#include "sdk/cluster_vms.hpp"
#include "sdk/plugin.hpp"
#include "uuid.hpp"

namespace pvcd::libvirt {
namespace {

// No file: this host has never been of a cluster.
std::set<VmUuid> read_cluster_vms(const std::string& file) {
  errno = 0;
  std::ifstream in(file);
  if (!in && errno == ENOENT) return {};
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in) throw Error(file + " cannot be read: " + std::strerror(errno));
  return decode_cluster_vms(text);
}

}  // namespace

std::string why_not_start(const std::string& domain_xml, const StartGuard& guard, Instant now) {
  try {
    const std::set<VmUuid> vms = read_cluster_vms(guard.cluster_vms);
    if (vms.empty()) return {};
    const DomainIdentity domain = identity_of(domain_xml);
    if (domain.uuid.empty()) return "the domain's UUID cannot be read, so it may be a VM of the pvcd cluster";
    if (vms.count(domain.uuid) == 0) return {};
    if (use_start_token(guard.tokens, domain.uuid, domain.generation, now)) return {};
    return domain.name + " (" + domain.uuid +
           ") is a VM of the pvcd cluster, and only pvcd starts it, on the node that " +
           "owns it: ask org.pvcd1 (Vm.Start), not libvirt. Nothing was started or changed";
  } catch (const std::exception& error) {
    return "it may be a VM of the pvcd cluster, whose list cannot be read: " + std::string(error.what());
  }
}

}  // namespace pvcd::libvirt
