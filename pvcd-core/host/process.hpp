// A process that runs plugins: one in the units, so that what hangs in a library costs nobody else anything; several
// where that does not matter.
//
// systemd's watchdog is fed while none of them stalls. They stop in the opposite order of their names on the command
// line, one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/hosted_plugin.hpp"
#include "runtime/config.hpp"
#include "runtime/loop.hpp"

namespace pvcd::host {

class Process {
 public:
  explicit Process(const std::vector<std::string>& plugins);

  int run();  // until SIGTERM, or one of them fails; the exit code

 private:
  void follow();
  void stop(int exit_code);
  void stop_last();
  void say_state();

  runtime::Loop loop_;
  std::unique_ptr<runtime::Table> shared_;
  std::vector<std::unique_ptr<HostedPlugin>> plugins_;
  runtime::Timer look_;
  std::string state_;
  bool ready_told_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
};

// What main() does. Returns only the exit code: the caller ends the process without running destructors, because a
// plugin's thread may hang in a call that nobody can end.
int run_host(int argc, const char* const* argv);

}  // namespace pvcd::host
