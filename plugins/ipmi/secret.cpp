#include "secret.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "sdk/plugin.hpp"

namespace pvcd::ipmi {
namespace {

constexpr std::size_t password_bytes_max = 20;  // of IPMI 2.0

std::string read_first_line(int file, const std::string& path) {
  struct stat status {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) throw Error("password_file " + path + " is not a file");
  if ((status.st_mode & S_IRWXO) != 0)
    throw Error("password_file " + path + " can be read by everybody: chmod 600 " + path);
  std::array<char, 256> buffer{};
  const ssize_t count = read(file, buffer.data(), buffer.size());
  std::string line(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  explicit_bzero(buffer.data(), buffer.size());
  line.resize(std::min(line.find_first_of(std::string_view("\r\n\0", 3)), line.size()));
  return line;
}

}  // namespace

Secret::Secret(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw Error("password_file " + path + ": " + std::strerror(errno));
  try {
    text_ = read_first_line(file, path);
  } catch (...) {
    close(file);
    throw;
  }
  close(file);
  if (text_.empty()) throw Error("password_file " + path + " is empty");
  if (text_.size() > password_bytes_max) {
    explicit_bzero(text_.data(), text_.size());
    throw Error("password_file " + path + ": the password is longer than the 20 bytes of IPMI 2.0");
  }
}

Secret::~Secret() { explicit_bzero(text_.data(), text_.size()); }

}  // namespace pvcd::ipmi
