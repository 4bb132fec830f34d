#include "age_socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::keepalive {
namespace {

constexpr std::size_t datagram_bytes_max = 1024;
constexpr int datagrams_at_once_max = 64;  // whoever floods the socket must not keep the loop from the heartbeat

[[noreturn]] void fail(const std::string& path, int error) {
  throw Error("cannot listen on " + path + ": " + std::strerror(error));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(path, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  return address;
}

}  // namespace

AgeSocket::AgeSocket(sd_event* loop, std::string path, std::function<void(std::string_view)> received)
    : path_(std::move(path)), received_(std::move(received)) {
  const auto address = address_of(path_);
  ::unlink(path_.c_str());
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket_ < 0) fail(path_, errno);
  // Before bind, the mode of the socket becomes the mode of its file: it is never open to others, not even for a
  // moment.
  const bool listening =
      ::fchmod(socket_, 0600) == 0 && ::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  auto on_readable = [](sd_event_source*, int, std::uint32_t, void* self) {
    static_cast<AgeSocket*>(self)->receive();
    return 0;
  };
  const int added = listening ? sd_event_add_io(loop, &source_, socket_, EPOLLIN, on_readable, this) : -error;
  if (added >= 0) return;
  ::close(socket_);
  fail(path_, -added);
}

// The file stays: a unit that sends while nobody listens is refused at once, as it should be.
AgeSocket::~AgeSocket() {
  sd_event_source_disable_unref(source_);
  ::close(socket_);
}

void AgeSocket::receive() {
  char buffer[datagram_bytes_max];
  for (int count = 0; count < datagrams_at_once_max; ++count) {
    const auto size = ::recv(socket_, buffer, sizeof buffer, MSG_TRUNC);
    if (size < 0) return;
    const bool whole = static_cast<std::size_t>(size) <= sizeof buffer;
    received_(whole ? std::string_view(buffer, static_cast<std::size_t>(size)) : std::string_view());
  }
}

}  // namespace pvcd::keepalive
