// The libvirt plugin of one node, with libvirtd behind it. Follows plugins/libvirt: libvirt.cpp, domain_calls.cpp,
// domain_facts.cpp.
#pragma once

#include <set>

#include "host.hpp"
#include "sdk/roles.hpp"
#include "worker.hpp"

namespace pvcd::sim {

class Hypervisor {
 public:
  template <class Answer>
  using Reply = std::function<void(Answer)>;

  Hypervisor(World&, std::size_t node);

  void start();
  bool has_listed() const { return listed_; }

  DomainState state_of(const Qemu&) const;  // as libvirt tells it

  void probe(const ProbeRequest&, const Reply<DomainProbe>&);
  void create(const CreateRequest&, const Reply<CreateAnswer>&);
  void resume(const DomainRequest&, const Reply<Answer>&);
  void shutdown(const DomainRequest&, const Reply<Answer>&);
  void destroy(const DomainRequest&, const Reply<Answer>&);

  Worker worker;
  bool libvirtd_hangs = false;
  bool refuses_to_create = false;  // a start fails at once
  bool guests_do_not_listen = false;
  bool answers_are_lost = false;  // to create and to resume, which were done
  bool cannot_kill = false;       // QEMU is stuck in the kernel
  VmUuid unreadable;              // of this one libvirt tells nothing

 private:
  Host& host() const;
  bool holds(const Permit&) const;
  std::vector<QemuPointer> living(const VmUuid&) const;
  QemuPointer find(const VmUuid&, const pvcd::Process&) const;
  void list();
  void create_late(const CreateRequest&);

  World& world_;
  std::size_t node_;
  bool listed_ = false;
  std::set<VmUuid> creating_;  // by libvirt, after its client was cut off
};

}  // namespace pvcd::sim
