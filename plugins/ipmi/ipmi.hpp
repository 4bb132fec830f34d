// The Fencer that speaks IPMI over LAN. Calls about one node come one after the other, so two never meet at a BMC;
// those about different nodes come on different threads, so nothing here changes after start().
#pragma once

#include "bmc.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::ipmi {

class Ipmi : public Plugin, public Fencer {
 public:
  void start(Host&) override;
  PowerReading read(const ReadRequest&) override;
  Answer power(const PowerRequest&) override;

 private:
  struct Target {
    Bmc bmc;
    std::string expected_guid;
  };
  // Throws Error if the node has no BMC or nothing that its GUID could be compared with.
  Target target(const NodeName& node, const std::string& system_uuid) const;
  Answer send(const PowerRequest&) const;
  Instant deadline() const;

  Host* host_ = nullptr;
};

}  // namespace pvcd::ipmi
