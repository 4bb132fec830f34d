// Runs one program with a hard deadline and reads what it prints, no more than a bound.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd::ipmi {

inline constexpr std::size_t output_bytes_max = 64 * 1024;  // of each stream; a program that prints more is killed

struct Command {
  std::vector<std::string> arguments;                            // the first is the program, looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // all the child gets, apart from PATH and LANG=C
  Instant deadline = 0;                                          // CLOCK_BOOTTIME
  int given_up = -1;                                             // a descriptor: killed when it is readable
};

enum class Ending { Exited, Killed, NotStarted };  // Killed: by us or by somebody else

struct CommandResult {
  Ending ending = Ending::NotStarted;
  int exit_status = -1;  // of Exited
  std::string output;
  std::string errors;
  std::string note;  // why it was killed or not started
};

// When it returns, the child is gone. The child also dies with the thread that calls this.
CommandResult run(const Command&);

}  // namespace pvcd::ipmi
