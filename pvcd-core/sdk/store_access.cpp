#include "sdk/store_access.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace pvcd {
namespace {

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0;
}

bool is_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_ipv6(std::string_view text) {
  in6_addr binary{};
  const std::string without_zone(text.substr(0, text.find('%')));
  return inet_pton(AF_INET6, without_zone.c_str(), &binary) == 1;
}

}  // namespace

std::optional<HostAndPort> host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool in_brackets = host.starts_with('[') && host.ends_with(']');
  if (in_brackets) host = host.substr(1, host.size() - 2);
  const bool good = in_brackets ? is_ipv6(host) : !host.empty() && std::ranges::all_of(host, is_in_name);
  if (!good) return std::nullopt;
  return HostAndPort{std::string(host), std::string(text.substr(colon + 1))};
}

bool is_user_and_password(std::string_view text) { return text.find(':') != std::string_view::npos; }

}  // namespace pvcd
