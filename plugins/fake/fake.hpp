// Fills every role, without a hypervisor, a BMC or Ceph. See README.md for the script.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "script.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::fake {

class Fake : public Plugin,
             public Hypervisor,
             public PreStartHook,
             public Fencer,
             public StorageFencer,
             public RoleHook,
             public Elector,
             public StorageObserver {
 public:
  void start(Host&) override;
  void tick() override;
  void stop() noexcept override;

  DomainProbe probe(const ProbeRequest&) override;
  CreateAnswer create(const CreateRequest&) override;
  Answer resume(const DomainRequest&) override;
  Answer shutdown(const DomainRequest&) override;
  Answer destroy(const DomainRequest&) override;

  HookVerdict before_start(const VmStart&) override;
  Identified identify(const ImagesRequest&) override;
  Answer after_stop(const VmStopped&) override;

  PowerReading read(const ReadRequest&) override;
  Answer power(const PowerRequest&) override;

  StorageFenced fence_storage(const StorageFenceRequest&) override;
  Answer role_change(const RoleChange&) override;
  Answer claim(const ClaimRequest&) override;
  Answer vacate(const VacateRequest&) override;

  StorageSurvey observe(const ObserveRequest&) override;

 private:
  Answer change_domain(const std::string& call, const DomainRequest&, const std::string& state);
  void report_domains();

  Host* host_ = nullptr;
  std::optional<Script> script_;
  std::map<std::string, std::string> said_;
};

}  // namespace pvcd::fake
