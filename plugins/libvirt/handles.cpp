#include "handles.hpp"

#include <array>
#include <cstdlib>

namespace pvcd::libvirt {

Failure last_failure() {
  Failure failure;
  const virError* error = virGetLastError();
  if (error == nullptr) return failure;
  failure.text = error->message != nullptr ? error->message : "no reason given";
  failure.missing = error->code == VIR_ERR_NO_DOMAIN;
  failure.lost = error->domain == VIR_FROM_RPC || error->domain == VIR_FROM_REMOTE || error->code == VIR_ERR_RPC ||
                 error->code == VIR_ERR_INVALID_CONN || error->code == VIR_ERR_NO_CONNECT;
  return failure;
}

DomainState state_from_libvirt(int state) {
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:     // on its way out: its CPUs run
    case VIR_DOMAIN_PMSUSPENDED:  // any key press wakes it
      return DomainState::Running;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_CRASHED:  // its QEMU is kept, its CPUs stand still
      return DomainState::Paused;
    case VIR_DOMAIN_SHUTOFF:
      return DomainState::Gone;
    default:
      return DomainState::Unknown;
  }
}

DomainState state_of(virDomainPtr domain) {
  int state = VIR_DOMAIN_NOSTATE;
  if (virDomainGetState(domain, &state, nullptr, 0) == 0) return state_from_libvirt(state);
  return last_failure().missing ? DomainState::Gone : DomainState::Unknown;
}

Domain find_domain(const Connect& connect, const VmUuid& uuid) {
  return Domain(virDomainLookupByUUIDString(connect.get(), uuid.c_str()));
}

VmUuid uuid_of(virDomainPtr domain) {
  std::array<char, VIR_UUID_STRING_BUFLEN> text{};
  return virDomainGetUUIDString(domain, text.data()) == 0 ? VmUuid(text.data()) : VmUuid();
}

std::string xml_of(virDomainPtr domain) {
  const std::unique_ptr<char, void (*)(void*)> text(virDomainGetXMLDesc(domain, 0), std::free);
  return text ? text.get() : "";
}

}  // namespace pvcd::libvirt
