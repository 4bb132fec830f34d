// A bus of the test's own.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace pvcd::test {

namespace fs = std::filesystem;

// A dbus-daemon that lets everybody do everything.
class PrivateBus {
 public:
  PrivateBus() {
    std::string pattern = (fs::temp_directory_path() / "pvcd-polkit-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    fs::permissions(directory_, fs::perms::all);
    const std::string address = "unix:path=" + (directory_ / "bus").string();
    std::ofstream(directory_ / "bus.conf") << "<busconfig><type>custom</type><listen>" << address
                                           << "</listen><auth>EXTERNAL</auth><policy context=\"default\">"
                                           << "<allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\" "
                                              "eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                                           << "</policy></busconfig>\n";
    int ready[2];
    if (pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      const std::string config = "--config-file=" + (directory_ / "bus.conf").string();
      const std::string print = "--print-address=" + std::to_string(ready[1]);
      execlp("dbus-daemon", "dbus-daemon", "--nofork", config.c_str(), print.c_str(), nullptr);
      _exit(127);
    }
    close(ready[1]);
    char byte = 0;
    const bool up = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    if (!up) throw std::runtime_error("dbus-daemon does not start");
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1);
  }
  ~PrivateBus() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    fs::remove_all(directory_);
  }

 private:
  fs::path directory_;
  pid_t pid_ = -1;
};

}  // namespace pvcd::test
