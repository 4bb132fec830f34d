#include "core/first_sights.hpp"

#include <nlohmann/json.hpp>

#include "core/small_file.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {
namespace {

bool in_the_past(const VmSights& sights, Instant now) {
  for (const auto& [uuid, hooks] : sights)
    for (const auto& [hook, seen] : hooks)
      for (const auto& [what, when] : seen)
        if (when > now) return false;
  return true;
}

}  // namespace

VmSights sights_of(const logic::AgentMemory& memory) {
  VmSights sights;
  for (const auto& [uuid, vm] : memory.vms)
    for (const auto& [hook, seen] : vm.first_seen)
      if (!seen.empty()) sights[uuid][hook] = seen;
  return sights;
}

VmSights FirstSightsFile::read(Instant now) {
  try {
    const auto json = nlohmann::json::parse(read_small_file(path_).value_or(""));
    auto sights = json.at("seen").get<VmSights>();
    if (json.at("boot").get<BootId>() == boot_ && in_the_past(sights, now)) kept_ = std::move(sights);
  } catch (const nlohmann::json::exception&) {
    kept_.clear();
  }
  return kept_;
}

std::string FirstSightsFile::keep(const VmSights& sights) {
  if (sights == kept_) return {};
  try {
    replace_small_file(path_, nlohmann::json{{"boot", boot_}, {"seen", sights}}.dump() + "\n");
  } catch (const Error& error) {
    return error.what();
  }
  kept_ = sights;
  return {};
}

}  // namespace pvcd::core
