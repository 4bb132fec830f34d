// Whose BMC is it (safety rule 16): what a BMC has to show before its readings are believed and acts are sent to it.
#pragma once

#include <string>

#include "bmc.hpp"
#include "sdk/plugin.hpp"
#include "sdk/types.hpp"

namespace pvcd::ipmi {

class Identity {
 public:
  // That of this node, in this boot. Throws Error if nothing is known that its BMC could be compared with.
  Identity(const Settings&, const NodeName&, const BootId&, const std::string& system_uuid);

  struct Verdict {
    std::string guid;  // that the BMC gave, if it was asked
    std::string note;  // why it is not the node's; empty: it is
  };
  Verdict of(const Bmc&, Instant deadline) const;  // one call to it

 private:
  Verdict by_guid(const Bmc&, Instant deadline) const;
  Verdict by_mark(const Bmc&, Instant deadline) const;

  NodeName node_;
  bool marked_ = false;   // recognised by its mark, not by its GUID
  std::string expected_;  // the mark or the GUID
};

}  // namespace pvcd::ipmi
