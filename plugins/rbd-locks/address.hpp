// Ceph's addresses as values. Ceph writes one client in several ways ("10.0.0.1:0/7", "v1:10.0.0.1:0/7",
// "[v2:10.0.0.1:0/7,v1:10.0.0.1:0/7]"); compared as text, a dead client would look foreign and a foreign one unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pvcd::rbd_locks {

// One client instance: the nonce differs for each librados instance of a host.
struct Address {
  std::string host;  // canonical: as inet_ntop writes it, IPv6 without brackets
  std::uint16_t port = 0;
  std::uint32_t nonce = 0;
  bool operator==(const Address&) const = default;
};

// Nothing for all that does not name exactly one instance, such as a vector whose members differ in host or nonce.
std::optional<Address> parse_address(std::string_view);

// A bare host address as nodes record it: "10.0.0.1", "fd00::1" or "[fd00::1]".
std::optional<std::string> parse_host(std::string_view);

// "ip:port/nonce", IPv6 in brackets: the form of ClientInstance::address, which the monitors understand too.
std::string to_string(const Address&);

}  // namespace pvcd::rbd_locks
