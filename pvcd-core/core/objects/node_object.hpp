// org.pvcd1.Node, one per node that ever joined.
#pragma once

#include "core/objects/derive.hpp"
#include "core/objects/desk.hpp"
#include "core/objects/options.hpp"
#include "node_adaptor.hpp"

namespace pvcd::core {

class NodeObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Node_adaptor> {
 public:
  using Age = std::function<Microseconds(const NodeName&)>;

  NodeObject(sdbus::IConnection&, Desk&, Age keepalive_age, NodeProperties);
  ~NodeObject();

  void update(NodeProperties);  // tells what changed

 private:
  void Drain(PathResult&&, Options) override;
  void Undrain(PathResult&&, Options) override;
  void BecomePrimary(PathResult&&, Options) override;
  void StepDown(PathResult&&, Options) override;
  void Fence(PathResult&&, Options) override;
  void ConfirmOff(PathResult&&, Options) override;
  void VerifyFence(PathResult&&, Options) override;

  std::string Name() override { return properties_.name; }
  std::string DaemonState() override { return text_of(properties_.daemon_state); }
  std::string CoordinatorState() override { return text_of(properties_.coordinator_state); }
  std::string DomainState() override { return properties_.domain_state; }
  std::string BootId() override { return properties_.boot; }
  std::uint64_t Incarnation() override { return properties_.incarnation; }
  std::vector<std::string> Addresses() override { return properties_.addresses; }
  std::vector<std::string> FloatingAddresses() override { return properties_.floating_addresses; }
  std::uint64_t MemoryTotal() override { return properties_.memory_total; }
  std::uint64_t MemoryUsed() override { return properties_.memory_used; }
  std::uint64_t MemoryFree() override { return properties_.memory_free; }
  std::uint64_t MemoryAllocated() override { return properties_.memory_allocated; }
  std::uint64_t MemoryProvisioned() override { return properties_.memory_provisioned; }
  std::uint32_t CpuCount() override { return properties_.cpu_count; }
  std::uint32_t VcpusAllocated() override { return properties_.vcpus_allocated; }
  std::uint32_t RunningVms() override { return properties_.running_vms; }
  double CpuLoad() override { return properties_.cpu_load; }
  std::uint64_t KeepaliveAge() override { return keepalive_age_(properties_.name); }
  bool FenceReady() override { return properties_.fence_ready; }
  std::string FenceNote() override { return properties_.fence_note; }

  void submit(std::string_view method, PathResult&&, const std::map<std::string, std::string>& arguments = {});

  Desk& desk_;
  Age keepalive_age_;
  NodeProperties properties_;
};

}  // namespace pvcd::core
