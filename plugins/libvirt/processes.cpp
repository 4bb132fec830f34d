#include "processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <sstream>

#include "sdk/plugin.hpp"
#include "uuid.hpp"

namespace pvcd::libvirt {
namespace {

constexpr std::size_t file_bytes_max = 4 * 1024 * 1024;   // more than the kernel allows for arguments
constexpr std::uint64_t kernel_thread_flag = 0x00200000;  // PF_KTHREAD

bool vanished(int error) { return error == ENOENT || error == ESRCH; }

std::optional<std::string> read_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int error = file < 0 ? errno : 0;
  std::string content;
  std::array<char, 16384> buffer{};
  while (error == 0 && content.size() < file_bytes_max) {
    const ssize_t count = read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  if (file >= 0) close(file);
  if (vanished(error)) return std::nullopt;
  if (error != 0) throw Error(path + ": " + std::strerror(error));
  return content;
}

std::optional<std::int64_t> to_pid(const char* name) {
  const std::string_view text(name);
  std::int64_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

// Every numbered entry of a folder; none if its process has vanished.
std::vector<std::int64_t> numbers_in(const std::string& path) {
  std::vector<std::int64_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  if (folder) {
    errno = 0;
    while (const dirent* entry = readdir(folder.get()))
      if (const auto number = to_pid(entry->d_name)) numbers.push_back(*number);
  }
  if (errno != 0 && !vanished(errno)) throw Error(path + ": " + std::strerror(errno));
  return numbers;
}

// The argument after "-uuid", which libvirt gives to every QEMU.
VmUuid uuid_argument(std::string_view command_line) {
  bool next = false;
  while (!command_line.empty()) {
    const std::size_t end = std::min(command_line.find('\0'), command_line.size());
    const std::string_view argument = command_line.substr(0, end);
    if (next) return canonical_uuid(argument);
    next = argument == "-uuid";
    command_line.remove_prefix(std::min(end + 1, command_line.size()));
  }
  return {};
}

}  // namespace

// The part of /proc/<pid>/stat that counts.
struct Processes::Status {
  std::string command;
  char state = '?';
  std::uint64_t flags = 0;
  std::int64_t thread_count = 0;
  std::uint64_t start_time = 0;

  // A zombie whose other threads live is a QEMU that is being killed while one thread still writes.
  bool gone() const { return (state == 'Z' || state == 'X' || state == 'x') && thread_count <= 1; }
  bool kernel_thread() const { return (flags & kernel_thread_flag) != 0; }
};

std::optional<Processes::Status> Processes::status(std::int64_t pid) const {
  const std::string path = proc_ + "/" + std::to_string(pid) + "/stat";
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const std::size_t open = text->find('('), close = text->rfind(')');  // the command may contain both
  if (open == std::string::npos || close < open) throw Error(path + " is not understood");
  Status result;
  result.command = text->substr(open + 1, close - open - 1);
  std::istringstream fields(text->substr(close + 1));
  std::string skipped;
  fields >> result.state;  // field 3
  for (int field = 4; field <= 8; ++field) fields >> skipped;
  fields >> result.flags;  // 9
  for (int field = 10; field <= 19; ++field) fields >> skipped;
  fields >> result.thread_count >> skipped >> result.start_time;  // 20, 21, 22
  if (!fields) throw Error(path + " is not understood");
  return result;
}

// Another pid namespace's /proc would name other processes by our numbers.
void Processes::require_own_namespace() const {
  std::array<char, 32> target{};
  const ssize_t count = readlink((proc_ + "/self").c_str(), target.data(), target.size() - 1);
  if (count <= 0 || to_pid(target.data()) != getpid()) throw Error(proc_ + " is not of this pid namespace");
}

// A container on this host has QEMUs of its own, which are no business of this node.
bool Processes::in_nested_namespace(std::int64_t pid) const {
  std::istringstream lines(read_file(proc_ + "/" + std::to_string(pid) + "/status").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("NSpid:", 0) != 0) continue;
    std::istringstream pids(line.substr(6));
    std::int64_t outer = 0, inner = 0;
    return static_cast<bool>(pids >> outer >> inner);
  }
  return false;
}

// A leader that has ended has no command line any more; its living threads still do.
std::string Processes::arguments_of_threads(std::int64_t pid) const {
  const std::string tasks = proc_ + "/" + std::to_string(pid) + "/task";
  for (const std::int64_t thread : numbers_in(tasks))
    if (const auto text = read_file(tasks + "/" + std::to_string(thread) + "/cmdline"); text && !text->empty())
      return *text;
  return {};
}

std::optional<Qemu> Processes::qemu(std::int64_t pid) const {
  const auto arguments = read_file(proc_ + "/" + std::to_string(pid) + "/cmdline");
  if (!arguments) return std::nullopt;
  VmUuid uuid = uuid_argument(*arguments);
  if (uuid.empty() && !arguments->empty()) return std::nullopt;
  const auto now = status(pid);
  if (!now || now->gone() || now->kernel_thread()) return std::nullopt;
  if (arguments->empty()) {
    if (now->command.rfind("qemu", 0) != 0) return std::nullopt;
    uuid = uuid_argument(arguments_of_threads(pid));
  }
  if (in_nested_namespace(pid)) return std::nullopt;
  return Qemu{{pid, now->start_time}, uuid};
}

Existence Processes::look(const Process& process) const {
  try {
    require_own_namespace();
    if (process.pid <= 0) throw Error("no process has this number");
    const auto now = status(process.pid);
    const bool gone = !now || now->start_time != process.start_time || now->gone();
    return gone ? Existence::Gone : Existence::Alive;
  } catch (const Error&) {
    return Existence::Unknown;
  }
}

std::optional<std::vector<Qemu>> Processes::qemus() const {
  try {
    require_own_namespace();
    std::vector<Qemu> found;
    for (const std::int64_t pid : numbers_in(proc_))
      if (auto one = qemu(pid)) found.push_back(std::move(*one));
    return found;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace pvcd::libvirt
