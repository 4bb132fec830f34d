#include "store/zookeeper_servers.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

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
  if (const int error = getaddrinfo(parts->host.c_str(), nullptr, &hints, &found); error != 0) {
    warnings.push_back("ZooKeeper server " + server + " has no address (" + gai_strerror(error) +
                       "): check its name in store.servers; it is used as soon as it has one");
    return {};
  }
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
  for (const auto& server : servers) {
    auto found = addresses(server, result.warnings);
    if (found.empty()) ++result.missing;
    std::ranges::move(found, std::back_inserter(all));
  }
  std::shuffle(all.begin(), all.end(), std::random_device());
  std::stable_partition(all.begin(), all.end(), [](const Address& each) { return each.is_own; });
  // After each failure the library goes on by two places: in an even list it would never visit every second server.
  if (!all.empty() && all.size() % 2 == 0) all.push_back(all.back());
  for (const auto& each : all) result.text += (result.text.empty() ? "" : ",") + each.host + ":" + each.port;
  return result;
}

std::future<Servers> numeric_servers_later(std::vector<std::string> servers) {
  std::packaged_task<Servers()> search([servers = std::move(servers)] { return numeric_servers(servers); });
  auto found = search.get_future();
  try {
    std::thread(std::move(search)).detach();
  } catch (const std::system_error&) {
    return {};
  }
  return found;
}

}  // namespace pvcd::store
