#include "uuid.hpp"

namespace pvcd::libvirt {

VmUuid canonical_uuid(std::string_view text) {
  std::string digits;
  for (const char character : text) {
    if (character == '-' || character == ' ' || character == '\n' || character == '\t' || character == '\r') continue;
    const char lower = character >= 'A' && character <= 'F' ? static_cast<char>(character - 'A' + 'a') : character;
    const bool hex = (lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'f');
    if (!hex) return {};
    digits += lower;
  }
  if (digits.size() != 32) return {};
  for (const std::size_t dash : {8U, 13U, 18U, 23U}) digits.insert(dash, 1, '-');
  return digits;
}

}  // namespace pvcd::libvirt
