// How the store's servers and its credentials are written: the configuration is checked for it, and the store's client
// takes nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pvcd {

struct HostAndPort {
  std::string host;
  std::string port;
};

// Of "n1:2181", "192.0.2.11:2181" or "[2001:db8::11]:2181"; nothing of anything else.
std::optional<HostAndPort> host_and_port(std::string_view);

bool is_user_and_password(std::string_view);  // "user:password"

}  // namespace pvcd
