#include "address.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>

namespace pvcd::rbd_locks {

namespace {

constexpr std::array<std::string_view, 3> type_prefixes = {"v1:", "v2:", "any:"};

std::string_view without_type(std::string_view text) {
  for (const std::string_view prefix : type_prefixes) {
    if (text.starts_with(prefix)) return text.substr(prefix.size());
  }
  return text;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::string> canonical(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  std::array<char, INET6_ADDRSTRLEN> written{};
  if (inet_pton(family, std::string(text).c_str(), binary.data()) != 1) return std::nullopt;
  if (inet_ntop(family, binary.data(), written.data(), written.size()) == nullptr) return std::nullopt;
  return std::string(written.data());
}

// "ip:port/nonce", perhaps with its type before it.
std::optional<Address> parse_single(std::string_view text) {
  text = without_type(text);
  const auto slash = text.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto colon = text.rfind(':', slash);
  if (colon == std::string_view::npos) return std::nullopt;

  const std::string_view host_text = text.substr(0, colon);
  const bool is_ipv6 = host_text.find(':') != std::string_view::npos;
  if (is_ipv6 && !host_text.starts_with('[')) return std::nullopt;
  const auto host = parse_host(host_text);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1, slash - colon - 1));
  const auto nonce = parse_number<std::uint32_t>(text.substr(slash + 1));
  if (!host || !port || !nonce) return std::nullopt;
  return Address{*host, *port, *nonce};
}

// "v2:..,v1:.." of one client: the same instance in each of its protocols.
std::optional<Address> parse_vector(std::string_view members) {
  std::optional<Address> first;
  while (true) {
    const auto comma = members.find(',');
    const auto member = parse_single(members.substr(0, comma));
    if (!member) return std::nullopt;
    if (first && (first->host != member->host || first->nonce != member->nonce)) return std::nullopt;
    if (!first) first = member;
    if (comma == std::string_view::npos) return first;
    members.remove_prefix(comma + 1);
  }
}

bool is_vector(std::string_view text) {
  return text.starts_with('[') && without_type(text.substr(1)).size() != text.size() - 1;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  if (!is_vector(text)) return parse_single(text);
  if (!text.ends_with(']')) return std::nullopt;
  return parse_vector(text.substr(1, text.size() - 2));
}

std::optional<std::string> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return std::nullopt;
    return canonical(AF_INET6, text.substr(1, text.size() - 2));
  }
  return canonical(text.find(':') == std::string_view::npos ? AF_INET : AF_INET6, text);
}

std::string to_string(const Address& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  const std::string host = is_ipv6 ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port) + "/" + std::to_string(address.nonce);
}

}  // namespace pvcd::rbd_locks
