#include "core/beats.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"

namespace pvcd::core {
namespace {

constexpr std::size_t datagram_bytes_max = 512;
constexpr int datagrams_at_once_max = 256;  // whoever floods the port must not keep the loop from its rounds
constexpr std::size_t nodes_max = 10000;    // that are remembered, whatever names come
constexpr Microseconds retry_interval = seconds(10);

// An address that the host does not have yet is no error; that another process has the port is.
template <class Address>
int bound_socket(const Address& address, int family) {
  const int made = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  if (made < 0) return -1;
  ::setsockopt(made, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND,
               &yes, sizeof yes);
  if (::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return made;
  const int error = errno;
  ::close(made);
  errno = error;
  return -1;
}

int bound_socket(const std::string& text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, text.c_str(), &address.sin_addr) == 1) return bound_socket(address, AF_INET);
  sockaddr_in6 address6{};
  address6.sin6_family = AF_INET6;
  address6.sin6_port = htons(port);
  errno = EINVAL;
  return ::inet_pton(AF_INET6, text.c_str(), &address6.sin6_addr) == 1 ? bound_socket(address6, AF_INET6) : -1;
}

}  // namespace

Beats::Beats(runtime::Loop& loop, const Settings& shared)
    : loop_(loop),
      cluster_(shared.text("cluster.name")),
      port_(static_cast<std::uint16_t>(shared.number("cluster.beat_port"))) {
  const auto coordinators = shared.list("cluster.coordinators");
  if (std::find(coordinators.begin(), coordinators.end(), shared.text("node.name")) == coordinators.end()) return;
  addresses_ = shared.list("node.addresses");
  listen();
}

Beats::~Beats() {
  readable_.clear();
  for (const int socket : sockets_) ::close(socket);
}

// Without them a lost host is noticed by its counter, a second or so later.
void Beats::listen() {
  std::string trouble;
  std::erase_if(addresses_, [&](const std::string& address) {
    const int socket = bound_socket(address, port_);
    if (socket < 0) {
      trouble = "heartbeats are not heard on " + address + ", UDP port " + std::to_string(port_) + ": " +
                std::strerror(errno) + "; see [cluster] beat_port";
      return false;
    }
    sockets_.push_back(socket);
    readable_.push_back(loop_.on_readable(socket, [this, socket] { receive(socket); }));
    return true;
  });
  if (trouble != trouble_ && !trouble.empty()) runtime::log(Level::Warning, trouble);
  trouble_ = trouble;
  if (addresses_.empty())
    retry_.reset();
  else
    retry_ = loop_.once(retry_interval, [this] { listen(); });
}

void Beats::receive(int socket) {
  char buffer[datagram_bytes_max];
  for (int count = 0; count < datagrams_at_once_max; ++count) {
    const auto size = ::recv(socket, buffer, sizeof buffer, 0);
    if (size < 0) return;
    const auto beat = decode_beat({buffer, static_cast<std::size_t>(size)});
    if (!beat || beat->cluster != cluster_) continue;  // of another cluster, or of nobody: silence is what is judged
    if (heard_.size() >= nodes_max && !heard_.contains(beat->node)) continue;
    heard_[beat->node] = {beat->incarnation, runtime::boottime_us()};
  }
}

}  // namespace pvcd::core
