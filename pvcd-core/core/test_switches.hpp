// Deliberate faults for tests that must fail: `./dev demo --sabotage NAME`. Only the binary pvcd-core-switched has
// them, which is never installed; in pvcd-core switched() is false at compile time and the code behind it is gone.
#pragma once

#include <string_view>

#ifdef PVCD_TEST_SWITCHES
#include <csignal>
#include <fstream>
#include <string>
#endif

namespace pvcd::core {

#ifdef PVCD_TEST_SWITCHES
constexpr const char* test_switches = "/etc/pvcd/test-switches";

// One name a line, read each time so that a test can change it while the core runs.
inline bool switched(std::string_view name) {
  std::ifstream file(test_switches);
  for (std::string line; std::getline(file, line);)
    if (line == name) return true;
  return false;
}

// Until the test continues this process.
inline void stand_still() { std::raise(SIGSTOP); }
#else
constexpr bool switched(std::string_view) { return false; }
inline void stand_still() {}
#endif

}  // namespace pvcd::core
