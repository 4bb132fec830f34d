#include "runtime/journal.hpp"

#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <iterator>

namespace pvcd::runtime {

namespace {

constexpr std::string_view journal_path = "/run/systemd/journal/socket";
constexpr int send_buffer_bytes = 8 * 1024 * 1024;

int priority(Level level) {
  switch (level) {
    case Level::Debug:
      return LOG_DEBUG;
    case Level::Info:
      return LOG_INFO;
    case Level::Notice:
      return LOG_NOTICE;
    case Level::Warning:
      return LOG_WARNING;
    case Level::Error:
      return LOG_ERR;
  }
  return LOG_ERR;
}

// "NAME=value\n", or with a length where the value has lines.
void append(std::string& datagram, std::string_view name, std::string_view value) {
  datagram += name;
  if (value.find('\n') == std::string_view::npos) {
    datagram += '=';
  } else {
    const std::uint64_t size = htole64(value.size());
    datagram += '\n';
    datagram.append(reinterpret_cast<const char*>(&size), sizeof size);
  }
  datagram += value;
  datagram += '\n';
}

void send(Level level, const char* message_id, std::string_view message, const std::vector<Field>& fields) {
  static JournalSocket journal(journal_path);
  if (!journal.send(journal_datagram(level, message_id, message, fields)))
    std::cerr << "<" << priority(level) << ">" << message << std::endl;
}

// Closed where it ends.
struct File {
  ~File() {
    if (fd >= 0) close(fd);
  }
  const int fd;
};

}  // namespace

// The kernel gives it as much of the buffer as wmem_max allows.
JournalSocket::JournalSocket(std::string_view path)
    : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  address_.sun_family = AF_UNIX;
  path.copy(address_.sun_path, sizeof address_.sun_path - 1);
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
}

JournalSocket::~JournalSocket() { close(fd_); }

bool JournalSocket::send(const std::string& datagram) {
  if (!put(datagram)) {
    if (errno == ENOENT || errno == ECONNREFUSED) return false;
    ++lost_;
    return true;
  }
  const std::uint64_t lost = lost_.exchange(0);
  if (lost == 0) return true;
  const std::string note = "the journal did not take the " + std::to_string(lost) + " entries before the last one";
  if (!put(journal_datagram(Level::Warning, nullptr, note, {}))) lost_ += lost;
  return true;
}

bool JournalSocket::put(const std::string& datagram) {
  iovec part{const_cast<char*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return put(message) || (errno == EMSGSIZE && put_as_file(datagram));
}

// As the journal's protocol has it for what is too long for a datagram: a file that nobody can change any more.
bool JournalSocket::put_as_file(const std::string& datagram) {
  const File file{memfd_create("pvcd-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  const bool written = file.fd >= 0 && write(file.fd, datagram.data(), datagram.size()) == std::ssize(datagram) &&
                       fcntl(file.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  if (!written) return false;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof file.fd)] = {};
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof file.fd);
  std::memcpy(CMSG_DATA(header), &file.fd, sizeof file.fd);
  return put(message);
}

bool JournalSocket::put(msghdr& message) {
  message.msg_name = &address_;
  message.msg_namelen = sizeof address_;
  return sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

std::string journal_datagram(Level level, const char* message_id, std::string_view message,
                             const std::vector<Field>& fields) {
  std::string datagram;
  append(datagram, "MESSAGE", message);
  append(datagram, "PRIORITY", std::to_string(priority(level)));
  append(datagram, "SYSLOG_IDENTIFIER", program_invocation_short_name);
  if (message_id != nullptr) append(datagram, "MESSAGE_ID", message_id);
  for (const Field& field : fields) append(datagram, field.name, field.value);
  return datagram;
}

void log(Level level, std::string_view message, const std::vector<Field>& fields) {
  send(level, nullptr, message, fields);
}

void log_event(Level level, const char* message_id, std::string_view message, const std::vector<Field>& fields) {
  send(level, message_id, message, fields);
}

}  // namespace pvcd::runtime
