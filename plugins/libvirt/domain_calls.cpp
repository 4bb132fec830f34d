#include "domain_calls.hpp"

#include <chrono>
#include <thread>

namespace pvcd::libvirt {
namespace {

constexpr Microseconds forget_limit = seconds(3);
constexpr std::chrono::milliseconds forget_interval{20};

Answer failed(const std::string& what) {
  const Failure failure = last_failure();
  return {failure.lost ? Outcome::Unknown : Outcome::Refused, what + ": " + failure.text};
}

Answer too_late() { return {Outcome::Refused, "the right to act ended before libvirt was asked"}; }

// After QEMU was killed, libvirt needs up to 0.25 s to notice, and refuses to create the domain until then.
Answer wait_until_forgotten(const Connect& connect, const VmUuid& uuid) {
  const Instant deadline = boottime_now() + forget_limit;
  while (true) {
    const Domain domain = find_domain(connect, uuid);
    if (!domain && last_failure().missing) return {Outcome::Done, {}};
    if (!domain) return failed("libvirt cannot say whether it knows the domain");
    if (state_of(domain.get()) == DomainState::Gone) return {Outcome::Done, {}};
    if (boottime_now() >= deadline)
      return {Outcome::Refused, "libvirt still lists the domain although its QEMU is gone"};
    std::this_thread::sleep_for(forget_interval);
  }
}

}  // namespace

// Not validated against libvirt's schema: the XML was accepted when it was defined, and a stricter schema after an
// update must not keep a VM from being recovered.
Answer create_paused(const Connect& connect, const VmUuid& uuid, const std::string& xml, const RightToAct& right) {
  const Answer forgotten = wait_until_forgotten(connect, uuid);
  if (forgotten.outcome != Outcome::Done) return forgotten;
  if (!right.holds()) return too_late();
  const Domain created(virDomainCreateXML(connect.get(), xml.c_str(), VIR_DOMAIN_START_PAUSED));
  if (!created) return failed("libvirt did not create the domain");
  return {Outcome::Done, {}};
}

Answer resume_cpus(const Connect& connect, const VmUuid& uuid, const RightToAct& right) {
  const Domain domain = find_domain(connect, uuid);
  if (!domain) return failed("libvirt did not find the domain");
  if (state_of(domain.get()) == DomainState::Running) return {Outcome::Done, "it runs already"};
  if (!right.holds()) return too_late();
  if (virDomainResume(domain.get()) != 0) return failed("libvirt did not resume the domain");
  if (state_of(domain.get()) == DomainState::Running) return {Outcome::Done, {}};
  return {Outcome::Unknown, "libvirt resumed the domain but does not say that it runs"};
}

Answer press_power_button(const Connect& connect, const VmUuid& uuid, const RightToAct& right) {
  const Domain domain = find_domain(connect, uuid);
  if (!domain) return failed("libvirt did not find the domain");
  if (!right.holds()) return too_late();
  if (virDomainShutdownFlags(domain.get(), VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) != 0)
    return failed("libvirt did not press the power button");
  return {Outcome::Done, {}};
}

Answer destroy_domain(const Connect& connect, const VmUuid& uuid, const RightToAct& right) {
  const Domain domain = find_domain(connect, uuid);
  if (!domain) return failed("libvirt did not find the domain");
  if (!right.holds()) return too_late();
  if (virDomainDestroyFlags(domain.get(), VIR_DOMAIN_DESTROY_DEFAULT) != 0) return failed("libvirt did not destroy it");
  return {Outcome::Done, {}};
}

}  // namespace pvcd::libvirt
