// pvcd-watchdog: one process, one loop, nothing that could block but the device itself.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "runtime/clock.hpp"
#include "runtime/config.hpp"
#include "runtime/names.hpp"
#include "watchdog/helper.hpp"

namespace pvcd::watchdog {
namespace {

constexpr int skip_the_unit = 1;  // of ExecCondition=

// A journal that hangs must not keep it from petting: then a line is lost.
void log(const std::string& text) {
  const std::string line = text + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

HelperSettings settings_of(const Settings& shared) {
  HelperSettings settings;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> settings.boot;
  if (settings.boot.empty()) throw Error("/proc/sys/kernel/random/boot_id cannot be read: /proc must be mounted");
  settings.run_directory = runtime::names::run_directory();
  settings.device = shared.text("self_fence.device");
  settings.timeout = milliseconds(static_cast<std::uint64_t>(shared.number("self_fence.timeout_ms")));
  settings.proof_limit = runtime::session_timings(shared).proof_limit;
  settings.log = log;
  return settings;
}

// Also when the mode has been changed since it was armed: it is petted until the node leaves.
bool is_wanted(const Settings& shared) {
  const HelperSettings settings = settings_of(shared);
  std::ifstream file(settings.run_directory + "/" + self_fence_file);
  const auto words = decode_self_fence(std::string(std::istreambuf_iterator<char>(file), {}), settings.boot);
  return shared.text("self_fence.mode") == self_fence_by_watchdog || (words && words->armed);
}

void turn(Helper& helper) {
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  constexpr timespec pause{0, static_cast<long>(pet_interval) * 1000};
  do helper.tick(runtime::boottime_us());
  while (::sigtimedwait(&ends, nullptr, &pause) < 0);
  helper.leave();
}

int run(bool only_asked) {
  const auto shared = runtime::load_shared(runtime::names::config_directory());
  if (only_asked) return is_wanted(*shared) ? EXIT_SUCCESS : skip_the_unit;
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) log(std::string("cannot lock its memory: ") + std::strerror(errno));
  ::fcntl(STDERR_FILENO, F_SETFL, ::fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
  Helper helper(settings_of(*shared));
  turn(helper);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace pvcd::watchdog

int main(int argc, char** argv) {
  try {
    return pvcd::watchdog::run(argc == 2 && std::string_view(argv[1]) == "--is-wanted");
  } catch (const pvcd::Error& error) {
    pvcd::watchdog::log(error.what());
    return 255;  // no ExecCondition= takes that for "not wanted"
  }
}
