#include "runtime/journal.hpp"

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <utility>

namespace pvcd::runtime {

namespace {

constexpr sockaddr_un journal_address{AF_UNIX, "/run/systemd/journal/socket"};
constexpr int send_buffer_bytes = 8 * 1024 * 1024;

std::vector<Field>& constant_fields() {
  static std::vector<Field> fields;
  return fields;
}

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

int open_socket() {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof send_buffer_bytes);
  return fd;
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
  static const int fd = open_socket();
  const std::string datagram = journal_datagram(level, message_id, message, fields);
  const auto* address = reinterpret_cast<const sockaddr*>(&journal_address);
  if (sendto(fd, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL, address, sizeof journal_address) >= 0)
    return;
  const bool absent = errno == ENOENT || errno == ECONNREFUSED;
  if (absent) std::cerr << "<" << priority(level) << ">" << message << std::endl;
}

}  // namespace

std::string journal_datagram(Level level, const char* message_id, std::string_view message,
                             const std::vector<Field>& fields) {
  std::string datagram;
  append(datagram, "MESSAGE", message);
  append(datagram, "PRIORITY", std::to_string(priority(level)));
  append(datagram, "SYSLOG_IDENTIFIER", program_invocation_short_name);
  if (message_id != nullptr) append(datagram, "MESSAGE_ID", message_id);
  for (const Field& field : constant_fields()) append(datagram, field.name, field.value);
  for (const Field& field : fields) append(datagram, field.name, field.value);
  return datagram;
}

void log(Level level, std::string_view message, const std::vector<Field>& fields) {
  send(level, nullptr, message, fields);
}

void log_event(Level level, const char* message_id, std::string_view message, const std::vector<Field>& fields) {
  send(level, message_id, message, fields);
}

void log_always(Field field) { constant_fields().push_back(std::move(field)); }

}  // namespace pvcd::runtime
