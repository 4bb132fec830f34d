#include "store/session_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::store {
namespace {

std::string to_hex(const std::string& bytes) {
  static const char* digits = "0123456789abcdef";
  std::string hex;
  for (const char letter : bytes) {
    const auto byte = static_cast<unsigned char>(letter);
    hex += {digits[byte >> 4], digits[byte & 15]};
  }
  return hex;
}

std::optional<std::string> from_hex(const std::string& hex) {
  static const std::string digits = "0123456789abcdef";
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    auto high = digits.find(hex[at]);
    auto low = digits.find(hex[at + 1]);
    if (high == std::string::npos || low == std::string::npos) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

bool write_private(const std::string& path, const std::string& text) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  bool written =
      ::fchmod(file, 0600) == 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return ::close(file) == 0 && written;
}

}  // namespace

SessionFile::SessionFile(std::string path) : path_(std::move(path)) {
  auto lock_path = path_ + ".lock";
  lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) throw Error("cannot open " + lock_path + ": " + std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(lock_);
  throw Error("session file " + path_ + " is in use by another process; stop it or configure another file");
}

SessionFile::~SessionFile() { ::close(lock_); }

std::optional<SavedSession> SessionFile::load() const {
  std::ifstream file(path_);
  SavedSession saved;
  std::string secret;
  if (!(file >> saved.id >> secret)) return std::nullopt;
  auto bytes = from_hex(secret);
  if (!bytes) return std::nullopt;
  saved.secret = *bytes;
  return saved;
}

void SessionFile::save(const SavedSession& session) {
  auto next = path_ + ".new";
  auto text = std::to_string(session.id) + " " + to_hex(session.secret) + "\n";
  if (!write_private(next, text) || ::rename(next.c_str(), path_.c_str()) != 0) remove();
}

void SessionFile::remove() { ::unlink(path_.c_str()); }

}  // namespace pvcd::store
