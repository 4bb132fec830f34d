#include "guid.hpp"

#include <algorithm>
#include <array>

#include "text.hpp"

namespace pvcd::ipmi {
namespace {

constexpr std::size_t digits_in_uuid = 32;
using ByteOrder = std::array<std::size_t, 16>;
constexpr ByteOrder smbios_order{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr ByteOrder ipmi_order{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};

std::string hex_digits(std::string_view text) {
  std::string digits = lower_case(text);
  std::erase(digits, '-');
  const bool hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hex && digits.size() == digits_in_uuid ? digits : std::string();
}

std::string with_dashes(const std::string& digits) {
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" + digits.substr(16, 4) +
         "-" + digits.substr(20);
}

std::string reordered(const std::string& uuid, const ByteOrder& order) {
  const std::string digits = hex_digits(uuid);
  std::string result;
  for (const std::size_t byte : order) result += digits.substr(2 * byte, 2);
  return with_dashes(result);
}

}  // namespace

std::optional<std::string> canonical_uuid(std::string_view text) {
  const std::string digits = hex_digits(trimmed(text));
  if (digits.empty() || digits.find_first_not_of('0') == std::string::npos ||
      digits.find_first_not_of('f') == std::string::npos)
    return std::nullopt;
  return with_dashes(digits);
}

std::optional<std::string> parse_guid(std::string_view output) {
  const auto value = value_after(output, "system guid");
  if (!value || !value->starts_with(':')) return std::nullopt;
  return canonical_uuid(value->substr(1));
}

bool same_machine(const std::string& guid, const std::string& system_uuid) {
  return guid == system_uuid || reordered(guid, smbios_order) == system_uuid ||
         reordered(guid, ipmi_order) == system_uuid;
}

}  // namespace pvcd::ipmi
