#include "core/small_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sdk/plugin.hpp"

namespace pvcd::core {
namespace {

// A rename is on disk only when its directory is.
void sync_directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path();
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!synced) throw Error(directory + ": " + std::strerror(error));
}

}  // namespace

std::optional<std::string> read_small_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  std::stringstream content;
  content << in.rdbuf();
  return content.str();
}

void replace_small_file(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) throw Error(fresh + ": " + std::strerror(errno));
  const bool written =
      write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) && fsync(fd) == 0;
  close(fd);
  if (!written || rename(fresh.c_str(), path.c_str()) != 0) throw Error(fresh + ": " + std::strerror(errno));
  sync_directory_of(path);
}

}  // namespace pvcd::core
