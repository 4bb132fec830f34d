#include "store/zookeeper_servers.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

#include "sdk/plugin.hpp"

namespace pvcd::store {
namespace {

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort split(const std::string& server) {
  auto colon = server.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == server.size())
    throw Error("ZooKeeper server '" + server + "' must be written host:port");
  HostAndPort parts{server.substr(0, colon), server.substr(colon + 1)};
  if (parts.host.front() == '[' && parts.host.back() == ']') parts.host = parts.host.substr(1, parts.host.size() - 2);
  return parts;
}

std::vector<std::string> addresses(const std::string& server) {
  auto [host, port] = split(server);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<std::string> result;
  for (auto* each = found; each; each = each->ai_next) {
    char address[NI_MAXHOST];
    if (getnameinfo(each->ai_addr, each->ai_addrlen, address, sizeof address, nullptr, 0, NI_NUMERICHOST) == 0)
      result.push_back(std::string(address) + ":" + port);
  }
  return result;
}

}  // namespace

std::string numeric_servers(const std::vector<std::string>& servers) {
  std::vector<std::string> all;
  for (const auto& server : servers)
    for (auto& address : addresses(server)) all.push_back(std::move(address));
  if (all.empty()) throw Error("none of the configured ZooKeeper servers has an address: check their names");
  // After each failure the library goes on by two places: in an even list it would never visit every second server.
  if (all.size() % 2 == 0) all.push_back(all.front());
  std::string text;
  for (const auto& address : all) text += (text.empty() ? "" : ",") + address;
  return text;
}

}  // namespace pvcd::store
