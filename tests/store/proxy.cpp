#include "proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>

namespace pvcd::store::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

const sockaddr* general(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

struct Proxy::Pair {
  Proxy* proxy;
  int client;
  int server;
  sd_event_source* client_source = nullptr;
  sd_event_source* server_source = nullptr;
  bool stalled = false;
  std::size_t heard = 0;  // bytes from the client

  Pair(Proxy* its_proxy, int its_client, int its_server) : proxy(its_proxy), client(its_client), server(its_server) {}
  Pair(const Pair&) = delete;
  ~Pair() {
    sd_event_source_disable_unref(client_source);
    sd_event_source_disable_unref(server_source);
    close(client);
    close(server);
  }
};

Proxy::Proxy(sd_event* loop, std::vector<std::uint16_t> server_ports)
    : loop_(loop), server_ports_(std::move(server_ports)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener_, general(address), size) == 0);
  REQUIRE(listen(listener_, 16) == 0);
  REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  auto on_client = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<Proxy*>(self)->accept_client();
    return 0;
  };
  REQUIRE(sd_event_add_io(loop_, &listener_source_, listener_, EPOLLIN, on_client, this) >= 0);
}

Proxy::~Proxy() {
  end_all();
  sd_event_source_disable_unref(listener_source_);
  close(listener_);
}

std::ptrdiff_t Proxy::relayed() const {
  return std::count_if(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return !pair.stalled; });
}

void Proxy::refuse() {
  mode_ = Mode::Refuse;
  end_all();
}

void Proxy::swallow() { mode_ = Mode::Swallow; }

void Proxy::stall() {
  for (auto& pair : pairs_) pair.stalled = true;
  std::rotate(server_ports_.begin(), server_ports_.begin() + 1, server_ports_.end());
}

void Proxy::stall_returning() {
  mode_ = Mode::StallReturning;
  end_all();
}

void Proxy::let_through() {
  mode_ = Mode::Through;
  end_all();
}

void Proxy::end_all() { pairs_.clear(); }

void Proxy::accept_client() {
  int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  bool relays = mode_ == Mode::Through || mode_ == Mode::StallReturning;
  int server = relays ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  auto address = loopback(server_ports_.front());
  if (server < 0 || connect(server, general(address), sizeof address) != 0) {
    close(client);
    close(server);
    return;
  }
  auto& pair = pairs_.emplace_back(this, client, server);
  auto on_bytes = [](sd_event_source*, int from, std::uint32_t, void* pair_ended) {
    auto& which = *static_cast<Pair*>(pair_ended);
    which.proxy->pump(which, from);
    return 0;
  };
  REQUIRE(sd_event_add_io(loop_, &pair.client_source, client, EPOLLIN, on_bytes, &pair) >= 0);
  REQUIRE(sd_event_add_io(loop_, &pair.server_source, server, EPOLLIN, on_bytes, &pair) >= 0);
}

// Where a client's first message has the session that it wants back; a new one is all zeros.
bool Proxy::returns(Pair& pair, std::string_view bytes) {
  constexpr std::size_t session_begin = 20;
  constexpr std::size_t session_end = 28;
  return std::any_of(bytes.begin(), bytes.end(), [&](char byte) {
    const auto place = pair.heard++;
    return byte != 0 && place >= session_begin && place < session_end;
  });
}

// Blocking writes are enough: both ends read what they are sent.
void Proxy::pump(Pair& pair, int from) {
  char bytes[65536];
  auto count = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
  if (count <= 0) return pairs_.remove_if([&](const Pair& each) { return &each == &pair; }), void();
  const std::string_view all(bytes, static_cast<std::size_t>(count));
  if (mode_ == Mode::StallReturning && from == pair.client && returns(pair, all)) pair.stalled = true;
  bool lost = pair.stalled || (mode_ == Mode::Swallow && from == pair.server);
  int to = from == pair.server ? pair.client : pair.server;
  for (ssize_t sent = 0; !lost && sent < count;) {
    auto now = send(to, bytes + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
    if (now <= 0) break;
    sent += now;
  }
}

}  // namespace pvcd::store::test
