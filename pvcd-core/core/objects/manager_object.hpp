// org.pvcd1.Manager at /org/pvcd1, and the ObjectManager of the tree.
#pragma once

#include "core/objects/derive.hpp"
#include "core/objects/desk.hpp"
#include "core/objects/options.hpp"
#include "manager_adaptor.hpp"

namespace pvcd::core {

class ManagerObject final : public sdbus::AdaptorInterfaces<org::pvcd1::Manager_adaptor, sdbus::ObjectManager_adaptor> {
 public:
  ManagerObject(sdbus::IConnection&, Desk&, pvcd::NodeName self, ManagerProperties);
  ~ManagerObject();

  void update(ManagerProperties);  // tells what changed

 private:
  sdbus::ObjectPath GetNode(const std::string& name) override;
  sdbus::ObjectPath GetVm(const std::string& name_or_uuid) override;
  void DefineVm(PathResult&&, std::string xml, Options) override;
  void SetMaintenance(EmptyResult&&, bool maintenance, Options) override;
  void AcceptStore(EmptyResult&&, Options) override;
  std::string DryRun(const std::string& event, const Options&) override;
  void Explain(TextResult&&, std::string what) override;
  void FlushImageLocks(PathResult&&, std::string image, Options) override;

  std::string Version() override { return PVCD_VERSION; }
  std::string ClusterName() override { return properties_.cluster_name; }
  std::string NodeName() override { return self_; }
  std::string Primary() override { return properties_.primary; }
  std::uint64_t Epoch() override { return properties_.epoch; }
  bool Quorate() override { return properties_.quorate; }
  bool Maintenance() override { return properties_.maintenance; }
  std::map<std::string, std::string> Witnesses() override { return properties_.witnesses; }
  std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint64_t, std::string>> Plugins() override;

  Desk& desk_;
  const pvcd::NodeName self_;
  ManagerProperties properties_;
};

}  // namespace pvcd::core
