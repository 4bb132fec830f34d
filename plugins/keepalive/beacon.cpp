#include "beacon.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::keepalive {
namespace {

int open_socket(int family) { return ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

// A lost beat needs no handling: who listens sees that it is not there.
template <class Address>
void send_one(int socket, const std::string& datagram, const Address& to) {
  ::sendto(socket, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
           reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

}  // namespace

// A host without IPv6 beats over IPv4 only.
Beacon::Beacon(sd_event* loop, std::string cluster, std::uint16_t port)
    : port_(port), beat_{std::move(cluster), {}, 0}, timer_(loop, [this] { on_time(); }) {
  ipv4_ = open_socket(AF_INET);
  if (ipv4_ < 0) throw Error(std::string("cannot make a datagram socket: ") + std::strerror(errno));
  ipv6_ = open_socket(AF_INET6);
}

Beacon::~Beacon() {
  ::close(ipv4_);
  if (ipv6_ >= 0) ::close(ipv6_);
}

void Beacon::begin(const NodeName& node, Incarnation incarnation) {
  beat_.node = node;
  beat_.incarnation = incarnation;
  on_time();
}

void Beacon::on_time() {
  timer_.start(beat_interval);
  const std::string datagram = encode_beat(beat_);
  for (const std::string& address : addresses_) send_to(address, datagram);
}

void Beacon::send_to(const std::string& address, const std::string& datagram) const {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  if (::inet_pton(AF_INET, address.c_str(), &to.sin_addr) == 1) return send_one(ipv4_, datagram, to);
  sockaddr_in6 to6{};
  to6.sin6_family = AF_INET6;
  to6.sin6_port = htons(port_);
  if (ipv6_ >= 0 && ::inet_pton(AF_INET6, address.c_str(), &to6.sin6_addr) == 1) send_one(ipv6_, datagram, to6);
}

}  // namespace pvcd::keepalive
