// The Fencer that speaks IPMI over LAN. Calls about one node come one after the other, those about different nodes on
// different threads: nothing here changes after start(), and whoever speaks to a BMC speaks to it alone.
#pragma once

#include <memory>
#include <string>

#include "bmc.hpp"
#include "identity.hpp"
#include "marker.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"
#include "turns.hpp"

namespace pvcd::ipmi {

class Ipmi : public Plugin, public Fencer {
 public:
  void start(Host&) override;
  void stop() noexcept override;
  PowerReading read(const ReadRequest&) override;
  Answer power(const PowerRequest&) override;

 private:
  struct Target {
    Bmc bmc;
    Identity identity;
    std::unique_ptr<Turns::Turn> alone;  // two nodes may have one address, by mistake
  };
  // Throws Error if the node has no BMC or nothing that this could be compared with, or if the BMC is spoken to about
  // another node.
  Target target(const NodeName& node, const BootId&, const std::string& system_uuid) const;
  Answer send(const PowerRequest&) const;
  bool is_configured(const NodeName&) const;
  Microseconds call_limit() const;
  Instant deadline() const;

  Host* host_ = nullptr;
  mutable Turns turns_;
  std::unique_ptr<Marker> marker_;  // where this host's own BMC is recognised by its mark
};

}  // namespace pvcd::ipmi
