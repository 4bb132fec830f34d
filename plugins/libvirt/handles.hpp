// libvirt's objects, released when their last user is done; and its last error, which belongs to the calling thread.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <memory>
#include <string>

#include "sdk/roles.hpp"

namespace pvcd::libvirt {

using Connect = std::shared_ptr<virConnect>;

struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;

struct Failure {
  bool lost = false;     // the connection failed, so the call may have been carried out
  bool missing = false;  // libvirt knows no such domain
  std::string text;
};
Failure last_failure();

// Unknown: libvirt did not say. Gone: it says that the domain does not run, or does not know it.
DomainState state_of(virDomainPtr);
DomainState state_from_libvirt(int virDomainState_value);

Domain find_domain(const Connect&, const VmUuid&);  // null: see last_failure()
VmUuid uuid_of(virDomainPtr);
std::string xml_of(virDomainPtr);  // as it runs now; empty: see last_failure()

}  // namespace pvcd::libvirt
