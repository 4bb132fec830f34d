// Whether a process is gone or waits only to be reaped.
#pragma once

#include <sys/types.h>

#include <fstream>
#include <string>

namespace pvcd::test {

inline bool process_ended(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return true;
  const char state = line[line.rfind(')') + 2];
  return state == 'Z' || state == 'X';
}

}  // namespace pvcd::test
