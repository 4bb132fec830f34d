#include "command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "descriptor.hpp"
#include "sdk/permit.hpp"

namespace pvcd::ipmi {
namespace {

constexpr int not_executable_status = 127;

struct Pipe {
  Descriptor reader, writer;
  bool make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    reader = Descriptor(ends[0]);
    writer = Descriptor(ends[1]);
    return fcntl(reader.get(), F_SETFL, O_NONBLOCK) == 0;
  }
};

// The arrays that execve wants, made before the fork: after it only async-signal-safe calls are allowed.
class Pointers {
 public:
  explicit Pointers(std::vector<std::string> texts) : texts_(std::move(texts)) {
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  ~Pointers() {
    for (std::string& text : texts_) explicit_bzero(text.data(), text.size());  // the environment holds the password
  }
  Pointers(const Pointers&) = delete;
  Pointers& operator=(const Pointers&) = delete;
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

std::string search_path() {
  const char* path = std::getenv("PATH");
  return path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
}

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const std::string path = search_path();
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

[[noreturn]] void become(const char* program, char** arguments, char** environment, pid_t parent, const Pipe& output,
                         const Pipe& errors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(not_executable_status);  // the parent died before the line above
  const rlimit no_core{0, 0};                             // the password is in this process's memory
  setrlimit(RLIMIT_CORE, &no_core);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(output.writer.get(), STDOUT_FILENO);
  dup2(errors.writer.get(), STDERR_FILENO);
  execve(program, arguments, environment);
  _exit(not_executable_status);
}

enum class Reading { More, Ended, TooMuch };

Reading read_available(const Descriptor& from, std::string& into) {
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t count = read(from.get(), buffer.data(), buffer.size());
    if (count > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(count));
      if (into.size() <= output_bytes_max) continue;
      into.resize(output_bytes_max);
      return Reading::TooMuch;
    }
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && errno == EAGAIN ? Reading::More : Reading::Ended;
  }
}

int milliseconds_until(Instant deadline) {
  const Instant now = boottime_now();
  if (now >= deadline) return 0;
  return static_cast<int>(std::min<Instant>((deadline - now + 999) / 1000, 60'000));
}

// Reads until the child has ended; the reason if it must be killed. The end of the child decides, not the end of its
// output: a grandchild could hold the pipe open for ever.
std::string watch(const Descriptor& child, Pipe& output, Pipe& errors, const Command& command, CommandResult& result) {
  while (true) {
    std::array<pollfd, 4> polled{pollfd{child.get(), POLLIN, 0}, pollfd{output.reader.get(), POLLIN, 0},
                                 pollfd{errors.reader.get(), POLLIN, 0}, pollfd{command.given_up, POLLIN, 0}};
    const int wait_ms = milliseconds_until(command.deadline);
    if (wait_ms == 0) return "it did not end within its time and was killed";
    if (poll(polled.data(), polled.size(), wait_ms) < 0 && errno != EINTR) return "poll failed";
    const bool ended = (polled[0].revents & POLLIN) != 0;
    if (!ended && (polled[3].revents & POLLIN) != 0) return "it was given up and killed";
    for (auto [pipe, text] : {std::pair(&output, &result.output), std::pair(&errors, &result.errors)}) {
      if (!pipe->reader.open()) continue;
      const Reading reading = read_available(pipe->reader, *text);
      if (reading == Reading::TooMuch) return "it printed without end and was killed";
      if (reading == Reading::Ended) pipe->reader.close();
    }
    if (ended) return {};
  }
}

CommandResult not_started(std::string note) {
  CommandResult result;
  result.note = std::move(note);
  return result;
}

}  // namespace

CommandResult run(const Command& command) {
  const std::string program = find_program(command.arguments.front());
  if (program.empty()) return not_started(command.arguments.front() + " is not installed");
  std::vector<std::string> variables{"PATH=" + search_path(), "LANG=C", "LC_ALL=C"};
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);
  Pointers environment(std::move(variables));
  Pointers arguments(command.arguments);
  Pipe output, errors;
  if (!output.make() || !errors.make()) return not_started(std::string("no pipe: ") + std::strerror(errno));

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return not_started(std::string("no new process: ") + std::strerror(errno));
  if (pid == 0) become(program.c_str(), arguments.data(), environment.data(), parent, output, errors);
  output.writer.close();
  errors.writer.close();

  CommandResult result;
  // The child is not reaped before this function does it, so its pid cannot be another's.
  const Descriptor child(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  result.note = child.open() ? watch(child, output, errors, command, result) : "pidfd_open failed";
  if (!result.note.empty()) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.ending = WIFEXITED(status) ? Ending::Exited : Ending::Killed;
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status) && result.note.empty())
    result.note = "it was killed by signal " + std::to_string(WTERMSIG(status));
  return result;
}

}  // namespace pvcd::ipmi
