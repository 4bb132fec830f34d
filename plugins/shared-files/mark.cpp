#include "mark.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "descriptor.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::shared_files {

namespace {

constexpr std::size_t nonce_digits = 32;
constexpr std::size_t mark_bytes_max = 16 * 1024;  // some hundred moves

std::string error_text() { return std::strerror(errno); }

std::string fresh_nonce() {
  std::array<unsigned char, nonce_digits / 2> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw Error("no random numbers: " + error_text());
  std::string nonce;
  for (const unsigned char byte : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    nonce += {digits[byte / 16], digits[byte % 16]};
  }
  return nonce;
}

bool is_nonce(const std::string& text) {
  return text.size() == nonce_digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Whoever comes second reads what the first one has written.
void make_mark(const Descriptor& directory, const std::string& path) {
  const Descriptor file(openat(directory.get(), mark_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file && errno == EEXIST) return;
  if (!file) throw Error(path + " cannot be made: " + error_text());
  const std::string text =
      fresh_nonce() + "\n# pvcd knows this file system by this file: neither copy nor change it.\n";
  const bool written = write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || fsync(file.get()) != 0) throw Error(path + " cannot be written: " + error_text() + "; remove it");
}

std::string read_whole(const Descriptor& file, const std::string& path) {
  std::string text(mark_bytes_max + 1, '\0');
  const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
  if (size < 0) throw Error(path + " cannot be read: " + error_text());
  if (static_cast<std::size_t>(size) > mark_bytes_max)
    throw Error(path + " has more than " + std::to_string(mark_bytes_max) + " bytes: remove lines of old moves");
  text.resize(static_cast<std::size_t>(size));
  return text;
}

Mark parsed(const std::string& text, const struct stat& status, const std::string& path) {
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || !is_nonce(line))
    throw Error(path + " does not begin with " + std::to_string(nonce_digits) +
                " hexadecimal digits: it is being written, or damaged; in the second case remove it");
  Mark mark{line + "-" + std::to_string(status.st_ino) + "-" + std::to_string(status.st_ctim.tv_sec), {}};
  constexpr std::string_view accepts = "accepts ";
  for (int number = 2; std::getline(lines, line); ++number) {
    if (line.empty() || line.starts_with("#")) continue;
    if (!line.starts_with(accepts))
      throw Error(path + ":" + std::to_string(number) + ": neither a comment nor \"accepts IDENTITY\"");
    mark.accepts.push_back(line.substr(accepts.size()));
  }
  return mark;
}

bool is_on_root(const struct stat& status) {
  struct stat root {};
  return stat("/", &root) == 0 && root.st_dev == status.st_dev;
}

}  // namespace

std::variant<Mark, NoMark> look_at_mark(const std::string& directory, Missing missing) {
  const std::string path = directory + "/" + mark_name;
  const auto lacks = [](const std::string& why) { return NoMark{Outcome::Refused, why}; };
  try {
    const Descriptor opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!opened && errno == ENOENT) return lacks(directory + " does not exist here");
    struct stat status {};
    if (!opened || fstat(opened.get(), &status) != 0) return NoMark{Outcome::Unknown, directory + ": " + error_text()};
    if (is_on_root(status)) return lacks("nothing is mounted at " + directory + " or above it");
    if (missing == Missing::IsMade) make_mark(opened, path);
    const Descriptor file(openat(opened.get(), mark_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file && errno == ENOENT) return lacks(path + " is not there");
    if (!file || fstat(file.get(), &status) != 0) return NoMark{Outcome::Unknown, path + ": " + error_text()};
    return parsed(read_whole(file, path), status, path);
  } catch (const Error& error) {
    return NoMark{Outcome::Unknown, error.what()};
  }
}

}  // namespace pvcd::shared_files
