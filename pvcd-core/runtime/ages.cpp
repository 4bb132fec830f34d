#include "runtime/ages.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/names.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::runtime {

namespace {

constexpr Microseconds report_interval = seconds(1);

sockaddr_un ages_address() {
  const std::string path = names::run_directory() + "/ages";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error(path + ": too long for a socket's name");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

AgeSender::AgeSender(Loop& loop, std::string unit)
    : report_{std::move(unit), "starting", {}}, socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (socket_ < 0) throw Error(std::string("cannot make a datagram socket: ") + std::strerror(errno));
  timer_ = loop.every(report_interval, [this] {
    if (working_()) send();
  });
  send();
}

AgeSender::~AgeSender() { close(socket_); }

void AgeSender::set(std::string state, std::string note) {
  AgeReport report{report_.unit, std::move(state), std::move(note)};
  if (report == report_) return;
  report_ = std::move(report);
  send();
}

void AgeSender::send() {
  const std::string datagram = encode_age(report_);
  const sockaddr_un address = ages_address();
  // Lost reports need no handling: the reader sees the age of the last one.
  sendto(socket_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace pvcd::runtime
