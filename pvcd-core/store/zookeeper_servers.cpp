#include "store/zookeeper_servers.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>

#include "sdk/plugin.hpp"
#include "sdk/store_access.hpp"

namespace pvcd::store {
namespace {

struct Address {
  std::string host;
  std::string port;
  bool is_own = false;
};

// Only an own address can be bound and, where net.ipv4.ip_nonlocal_bind lets any be, reach anything. A list of them
// would need AF_NETLINK, which the units do not permit; the source that the kernel chooses for one is not it when it is
// the second of its interface.
bool is_own(const addrinfo& address, const std::string& text, std::vector<std::string>& warnings) {
  const int fd = socket(address.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool own = fd >= 0 && bind(fd, address.ai_addr, address.ai_addrlen) == 0 &&
                   connect(fd, address.ai_addr, address.ai_addrlen) == 0;
  const int error = own ? 0 : errno;
  if (fd >= 0) close(fd);
  const bool known = own || error == EADDRNOTAVAIL || error == ENETUNREACH || error == EINVAL;
  if (!known)
    warnings.push_back("cannot find out whether ZooKeeper server " + text +
                       " is on this host: " + std::strerror(error));
  return own;
}

std::vector<Address> addresses(const std::string& server, std::vector<std::string>& warnings) {
  const auto parts = host_and_port(server);
  if (!parts) throw Error("ZooKeeper server '" + server + "' must be written host:port");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(parts->host.c_str(), nullptr, &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<Address> result;
  for (auto* each = found; each; each = each->ai_next)
    if (auto text = numeric_address(each->ai_addr, each->ai_addrlen); !text.empty())
      result.push_back({text, parts->port, is_own(*each, text, warnings)});
  return result;
}

}  // namespace

std::string numeric_address(const sockaddr* address, socklen_t size) {
  char text[NI_MAXHOST];
  return getnameinfo(address, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 ? text : std::string();
}

Servers numeric_servers(const std::vector<std::string>& servers) {
  Servers result;
  std::vector<Address> all;
  for (const auto& server : servers)
    for (auto& address : addresses(server, result.warnings)) all.push_back(std::move(address));
  std::shuffle(all.begin(), all.end(), std::random_device());
  std::stable_partition(all.begin(), all.end(), [](const Address& each) { return each.is_own; });
  if (all.empty()) throw Error("none of the configured ZooKeeper servers has an address: check their names");
  // After each failure the library goes on by two places: in an even list it would never visit every second server.
  if (all.size() % 2 == 0) all.push_back(all.back());
  for (const auto& each : all) result.text += (result.text.empty() ? "" : ",") + each.host + ":" + each.port;
  return result;
}

}  // namespace pvcd::store
