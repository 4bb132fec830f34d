// What libvirt's hook decides: whether a domain that libvirt is about to start may start. A VM of the cluster starts by
// pvcd alone; any other domain is no business of pvcd.
#pragma once

#include <string>

#include "start_token.hpp"

namespace pvcd::libvirt {

struct StartGuard {
  std::string cluster_vms = "/var/lib/pvcd/cluster-vms";  // written by the core, there also while pvcd is stopped
  std::string tokens = start_tokens;
};

// Empty: it may start, and its token is used up. Otherwise a sentence for who asked libvirt.
std::string why_not_start(const std::string& domain_xml, const StartGuard&, Instant now);

}  // namespace pvcd::libvirt
