#include "power_text.hpp"

#include "text.hpp"

namespace pvcd::ipmi {

PowerState parse_power(std::string_view output) {
  const auto value = value_after(output, "chassis power is");
  if (!value) return PowerState::Unknown;
  const std::string word = lower_case(*value);
  if (word == "on") return PowerState::On;
  if (word == "off") return PowerState::Off;
  return PowerState::Unknown;
}

}  // namespace pvcd::ipmi
