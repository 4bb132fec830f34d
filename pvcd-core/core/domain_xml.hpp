// What pvcd has to know of a libvirt domain XML. The XML itself is kept as given; libvirt has the last word on the
// rest.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd::core {

// The store holds an entry of at most 1 MiB; the rest is room for JSON quoting and the other keys of a VmRecord.
inline constexpr std::size_t domain_xml_bytes_max = 768 * 1024;

struct Domain {
  std::string xml;  // as given, or with the fresh UUID put in
  std::string name;
  VmUuid uuid;
  std::uint64_t memory = 0;  // bytes
  std::uint32_t vcpus = 0;
  std::vector<Disk> disks;  // everything it writes to: NVRAM, TPM state and shared folders too (safety rule 12)
};

struct DomainError {
  std::string text;  // names the element
};

// `fresh` becomes the UUID of a domain that has none. Files and folders below one of the `shared` directories are
// Shared, all others Local.
std::variant<Domain, DomainError> parse_domain(const std::string& xml, const VmUuid& fresh,
                                               const std::vector<std::string>& shared);

bool valid_uuid(const std::string& text);     // 36 characters, either case, not all zero
bool valid_vm_name(const std::string& text);  // [A-Za-z0-9._-]{1,63}, neither "." nor ".."

}  // namespace pvcd::core
