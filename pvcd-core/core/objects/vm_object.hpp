// org.pvcd1.Vm, one per defined VM.
#pragma once

#include "core/objects/derive.hpp"
#include "core/objects/desk.hpp"
#include "core/objects/options.hpp"
#include "vm_adaptor.hpp"

namespace pvcd::core {

class VmObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Vm_adaptor> {
 public:
  VmObject(sdbus::IConnection&, Desk&, VmProperties);
  ~VmObject();

  void update(VmProperties);  // tells what changed

 private:
  void Start(PathResult&&, Options) override;
  void Shutdown(PathResult&&, Options) override;
  void Stop(PathResult&&, Options) override;
  void Restart(PathResult&&, Options) override;
  void Disable(PathResult&&, Options) override;
  void Undefine(PathResult&&, Options) override;
  void FlushLocks(PathResult&&, Options) override;
  void SynchronizeDisks(PathResult&&, Options) override;
  void Unmigrate(PathResult&&, Options) override;
  void Move(PathResult&&, std::string node, Options) override;
  void Migrate(PathResult&&, std::string node, Options) override;
  void Configure(EmptyResult&&, Options) override;
  void Rename(EmptyResult&&, std::string name, Options) override;
  void SetXml(EmptyResult&&, std::string xml, Options) override;
  std::string GetXml() override;
  void Explain(TextResult&&) override;

  std::string Name() override { return properties_.name; }
  std::string Uuid() override { return properties_.uuid; }
  std::string WantedState() override { return text_of(properties_.wanted); }
  std::string State() override { return text_of(properties_.state); }
  std::string Node() override { return properties_.node; }
  std::string HomeNode() override { return properties_.home; }
  std::string FailedReason() override { return properties_.failed_reason; }
  std::string Selector() override { return {}; }
  std::string MigrationMethod() override { return {}; }
  std::string Profile() override { return properties_.profile; }
  bool Migrated() override { return properties_.migrated; }
  bool Autostart() override { return properties_.autostart; }
  std::uint64_t Memory() override { return properties_.memory; }
  std::uint64_t Generation() override { return properties_.generation; }
  std::uint32_t Vcpus() override { return properties_.vcpus; }
  std::int32_t Priority() override { return properties_.priority; }
  std::vector<sdbus::Struct<std::string, std::string, std::string>> Disks() override;
  std::vector<std::string> NodeLimit() override { return properties_.node_limit; }
  std::vector<std::string> Tags() override { return properties_.tags; }

  void submit(std::string_view method, PathResult&&, const std::map<std::string, std::string>& arguments = {});

  Desk& desk_;
  VmProperties properties_;
};

}  // namespace pvcd::core
