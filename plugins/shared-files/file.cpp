#include "file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>

#include "descriptor.hpp"

namespace pvcd::shared_files {

namespace {

// The kernel sees to it that no link and no mount on the way leads elsewhere.
int open_below(const Descriptor& directory, const std::string& name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(syscall(SYS_openat2, directory.get(), name.c_str(), &how, sizeof how));
}

Objection failed(const std::string& path) {
  switch (errno) {
    case ELOOP:
      return refuses(path + " is a symbolic link or goes through one: write where it leads to");
    case EXDEV:
      return lacks(path + " is on another file system here than its shared directory");
    default:
      return not_opened(path);
  }
}

std::uint64_t big_endian(const unsigned char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// The header of a qcow2 image, as QEMU's docs/interop/qcow2.txt has it.
bool builds_on_another_file(const unsigned char* header) {
  constexpr std::uint64_t magic = 0x514649fb;
  constexpr std::uint64_t external_data_file = 1 << 2;
  if (big_endian(header, 4) != magic) return false;
  const bool has_features = big_endian(header + 4, 4) >= 3;
  return big_endian(header + 8, 8) != 0 || (has_features && (big_endian(header + 72, 8) & external_data_file) != 0);
}

}  // namespace

std::optional<Objection> look_at_file(const std::string& directory, const std::string& path) {
  const std::string name = path.substr(directory.size() + 1);
  const Descriptor top(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!top) return failed(directory);
  const Descriptor file(open_below(top, name, O_RDONLY | O_NONBLOCK));
  if (!file && errno == ENOENT) {  // libvirt makes some: the folder must be there
    const std::string folder = std::filesystem::path(name).parent_path();
    if (folder.empty() || Descriptor(open_below(top, folder, O_PATH | O_DIRECTORY))) return std::nullopt;
    return failed(directory + "/" + folder);
  }
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0) return failed(path);
  if (S_ISDIR(status.st_mode)) return std::nullopt;
  if (!S_ISREG(status.st_mode)) return refuses(path + " is neither a file nor a folder");
  if (status.st_nlink > 1)
    return refuses(path + " has a second name (a hard link), by which another VM could write to it");
  std::array<unsigned char, 80> header{};
  if (pread(file.get(), header.data(), header.size(), 0) < 0) return failed(path);
  if (builds_on_another_file(header.data()))
    return refuses(path + " has a backing or data file, which nobody has looked at: qemu-img convert it");
  return std::nullopt;
}

}  // namespace pvcd::shared_files
