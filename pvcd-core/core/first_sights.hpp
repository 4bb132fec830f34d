// When the agent first heard of what hooks wait for, over a restart of the core (safety rule 6). The times are this
// boot's, so the file is below /run; one that is not understood, or of another boot, counts as none.
#pragma once

#include <map>
#include <string>

#include "logic/agent.hpp"

namespace pvcd::core {

using VmSights = std::map<VmUuid, std::map<std::string, logic::FirstSights>>;  // by VM, then by hook

VmSights sights_of(const logic::AgentMemory&);

class FirstSightsFile {
 public:
  FirstSightsFile(std::string path, BootId boot) : path_(std::move(path)), boot_(std::move(boot)) {}

  VmSights read(Instant now);
  std::string keep(const VmSights&);  // empty, or why they were not kept

 private:
  std::string path_;
  BootId boot_;
  VmSights kept_;
};

}  // namespace pvcd::core
