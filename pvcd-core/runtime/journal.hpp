// Structured journal entries; on stderr where there is no journal.
//
// Never blocks, which is why this speaks the journal's datagram protocol itself: sd_journal_send() waits for a journald
// that hangs, and with it would every loop of ours. An entry that the journal does not take now is lost; the next that
// it takes is followed by the number of those.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/plugin.hpp"

namespace pvcd::runtime {

struct Field {
  std::string_view name;  // of runtime/names.hpp
  std::string value;
};

// Any thread may call these.
void log(Level, std::string_view message, const std::vector<Field>& fields = {});

// An event of the catalogue, names::message.
void log_event(Level, const char* message_id, std::string_view message, const std::vector<Field>& fields = {});

// The parts, for tests. First the datagram of one entry.
std::string journal_datagram(Level, const char* message_id, std::string_view message, const std::vector<Field>& fields);

class JournalSocket {
 public:
  explicit JournalSocket(std::string_view path);
  ~JournalSocket();
  JournalSocket(const JournalSocket&) = delete;
  JournalSocket& operator=(const JournalSocket&) = delete;

  bool send(const std::string& datagram);  // false: there is no journal

 private:
  bool put(const std::string& datagram);
  bool put_as_file(const std::string& datagram);
  bool put(msghdr&);

  const int fd_;
  sockaddr_un address_{};
  std::atomic<std::uint64_t> lost_ = 0;
};

}  // namespace pvcd::runtime
