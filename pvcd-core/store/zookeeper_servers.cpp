#include "store/zookeeper_servers.hpp"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>

#include "sdk/plugin.hpp"
#include "sdk/store_access.hpp"

namespace pvcd::store {
namespace {

std::set<std::string> own_addresses() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return {};
  std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(found, freeifaddrs);
  std::set<std::string> own;
  for (auto* each = found; each; each = each->ifa_next) {
    if (!each->ifa_addr) continue;
    if (each->ifa_addr->sa_family == AF_INET) own.insert(numeric_address(each->ifa_addr, sizeof(sockaddr_in)));
    if (each->ifa_addr->sa_family == AF_INET6) own.insert(numeric_address(each->ifa_addr, sizeof(sockaddr_in6)));
  }
  return own;
}

std::vector<HostAndPort> addresses(const std::string& server) {
  const auto parts = host_and_port(server);
  if (!parts) throw Error("ZooKeeper server '" + server + "' must be written host:port");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(parts->host.c_str(), parts->port.c_str(), &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<HostAndPort> result;
  for (auto* each = found; each; each = each->ai_next)
    if (auto address = numeric_address(each->ai_addr, each->ai_addrlen); !address.empty())
      result.push_back({std::move(address), parts->port});
  return result;
}

}  // namespace

std::string numeric_address(const sockaddr* address, socklen_t size) {
  char text[NI_MAXHOST];
  return getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 ? text : std::string();
}

std::string numeric_servers(const std::vector<std::string>& servers) {
  std::vector<HostAndPort> all;
  for (const auto& server : servers)
    for (auto& address : addresses(server)) all.push_back(std::move(address));
  std::shuffle(all.begin(), all.end(), std::random_device());
  std::stable_partition(all.begin(), all.end(),
                        [own = own_addresses()](const HostAndPort& each) { return own.contains(each.host); });
  if (all.empty()) throw Error("none of the configured ZooKeeper servers has an address: check their names");
  // After each failure the library goes on by two places: in an even list it would never visit every second server.
  if (all.size() % 2 == 0) all.push_back(all.back());
  std::string text;
  for (const auto& [host, port] : all) text += (text.empty() ? "" : ",") + host + ":" + port;
  return text;
}

}  // namespace pvcd::store
