#include "mark.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>

#include "descriptor.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::shared_files {

namespace {

constexpr std::size_t nonce_digits = 32;
constexpr std::size_t bytes_max = 64 * 1024;  // some hundred moves

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

std::string how_to_make(const std::string& path) {
  return "make it with \"openssl rand -hex 16 > " + path + "\"; the next refusal says what else is to be done";
}

bool is_nonce(const std::string& text) {
  return text.size() == nonce_digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Whoever comes second reads what the first one has written.
std::optional<Objection> make_mark(const Descriptor& directory, const std::string& path) {
  const Descriptor file(openat(directory.get(), mark_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file && errno == EEXIST) return std::nullopt;
  if (!file) return not_opened(path);
  const std::string text = fresh_nonce() + "\npvcd knows this file system by this file: do not change it.\n";
  const bool written = write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || fsync(file.get()) != 0) throw Error(path + " cannot be written: " + error_text() + "; remove it");
  return std::nullopt;
}

std::string read_whole(const Descriptor& file, const std::string& path) {
  std::string text(bytes_max + 1, '\0');
  const ssize_t size = pread(file.get(), text.data(), text.size(), 0);
  if (size < 0) throw Error(path + " cannot be read: " + error_text());
  if (static_cast<std::size_t>(size) > bytes_max)
    throw Error(path + " has more than " + std::to_string(bytes_max) + " bytes");
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string identity_of(const std::string& text, const struct stat& status, const std::string& path) {
  const std::string nonce = text.substr(0, text.find('\n'));
  if (!is_nonce(nonce))
    throw Error(path + " does not begin with " + std::to_string(nonce_digits) +
                " hexadecimal digits: it is being written, or damaged; in the second case " + how_to_make(path));
  return nonce + "-" + std::to_string(status.st_ino) + "-" + std::to_string(status.st_ctim.tv_sec);
}

std::vector<std::string> accepted_by(const std::string& identity, const Descriptor& directory,
                                     const std::string& path) {
  const Descriptor file(openat(directory.get(), moves_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file && errno == ENOENT) return {};
  if (!file) throw Error(path + " cannot be read: " + error_text());
  std::vector<std::string> accepted;
  std::istringstream lines(read_whole(file, path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string now, accepts, before, more;
    if (line.empty() || line.starts_with("#")) continue;
    if (!(words >> now >> accepts >> before) || accepts != "accepts" || words >> more)
      throw Error(path + ":" + std::to_string(number) + ": neither a comment nor \"IDENTITY accepts IDENTITY\"");
    if (now == identity) accepted.push_back(before);
  }
  return accepted;
}

bool is_on_root(const struct stat& status) {
  struct stat root {};
  return stat("/", &root) == 0 && root.st_dev == status.st_dev;
}

}  // namespace

std::variant<Mark, Objection> look_at_mark(const std::string& directory, Missing missing) {
  const std::string path = directory + "/" + mark_name;
  try {
    const Descriptor opened(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // which mounts an automount
    struct stat status {};
    if (!opened || fstat(opened.get(), &status) != 0) return not_opened(directory);
    if (is_on_root(status)) return lacks("nothing is mounted at " + directory + " or above it");
    if (missing == Missing::IsMade)
      if (const auto objection = make_mark(opened, path)) return *objection;
    const Descriptor file(openat(opened.get(), mark_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file && errno == ENOENT)
      return lacks(path +
                   " is not there: it is not what VMs ran on before. If you have moved all files here yourself, " +
                   "with the VMs stopped, " + how_to_make(path));
    if (!file || fstat(file.get(), &status) != 0) return not_opened(path);
    const std::string identity = identity_of(read_whole(file, path), status, path);
    return Mark{identity, accepted_by(identity, opened, directory + "/" + moves_name)};
  } catch (const Error& error) {
    return Objection{Verdict::Unknown, error.what(), false};
  }
}

}  // namespace pvcd::shared_files
