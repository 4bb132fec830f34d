// Settings, a host, an ipmitool of our own and a simulated BMC for tests of the ipmi plugin.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "fake_host.hpp"
#include "plugins/ipmi/ipmi.hpp"
#include "sdk/permit.hpp"

namespace pvcd::ipmi::test {

namespace fs = std::filesystem;

constexpr const char* uuid = "a1234567-89ab-cdef-a123-456789abcdef";
constexpr const char* smbios_uuid = "674523a1-ab89-efcd-a123-456789abcdef";  // the same, its first fields swapped
constexpr const char* other_uuid = "b1234567-89ab-cdef-a123-456789abcdef";

struct Folder : pvcd::test::Folder {
  std::string write(const std::string& name, const std::string& content, mode_t mode = 0600) const {
    const fs::path file = path / name;
    std::ofstream(file) << content;
    chmod(file.c_str(), mode);
    return file.string();
  }
  std::string read(const std::string& name) const {
    std::stringstream content;
    content << std::ifstream(path / name).rdbuf();
    return content.str();
  }
};

struct TestSettings : Settings {
  std::map<std::string, std::string, std::less<>> texts;
  std::map<std::string, std::int64_t, std::less<>> numbers;
  std::map<std::string, TestSettings, std::less<>> bmcs;

  std::string text(std::string_view key) const override { return texts.count(key) ? texts.find(key)->second : ""; }
  std::int64_t number(std::string_view key) const override { return numbers.find(key)->second; }
  std::vector<std::string> list(std::string_view) const override { return {}; }
  std::vector<std::string> tables(std::string_view) const override {
    std::vector<std::string> names;
    for (const auto& [name, settings] : bmcs) names.push_back(name);
    return names;
  }
  const Settings& table(std::string_view, std::string_view name) const override { return bmcs.find(name)->second; }
};

struct TestHost : Host {
  TestSettings values;
  bool outdated = false;  // a newer primary has been heard of
  const Settings& settings() const override { return values; }
  const Settings& shared() const override { return values; }
  void report(std::string, std::string) override {}
  void log(Level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    journal_ += std::string(message) + "\n";
  }
  std::string journal() const {
    const std::lock_guard lock(mutex_);
    return journal_;
  }
  sd_event* loop() override { return nullptr; }
  bool holds(const Permit& permit) const override { return !outdated && pvcd::holds(permit); }

 private:
  mutable std::mutex mutex_;
  std::string journal_;
};

inline Instant in(Microseconds delay) { return boottime_now() + delay; }

// An ipmitool of our own, first in PATH; $D is the folder, in which it notes its arguments and environment.
class FakeTool {
 public:
  explicit FakeTool(const std::string& body) : before_(std::getenv("PATH")) {
    folder.write(
        "ipmitool",
        "#!/bin/sh\nD=" + folder.path.string() + "\necho \"$*\" >> $D/arguments\nenv > $D/environment\n" + body, 0700);
    setenv("PATH", (folder.path.string() + ":" + before_).c_str(), 1);
    host.values.numbers = {{"timeout_ms", 5000}, {"cipher_suite", 3}};
    TestSettings bmc;
    bmc.texts = {
        {"address", "10.0.0.9"}, {"username", "admin"}, {"password_file", folder.write("password", "s3cret\n")}};
    bmc.numbers = {{"port", 6230}};
    host.values.bmcs["n1"] = bmc;
    plugin.start(host);
  }
  ~FakeTool() { setenv("PATH", before_.c_str(), 1); }

  PowerReading read(const std::string& system_uuid = uuid) { return plugin.read({{}, "n1", "boot-1", system_uuid}); }
  Answer power(PowerAct act, Microseconds right = seconds(60), const std::string& system_uuid = uuid) {
    return plugin.power({{in(right), 1}, "n1", {"n1", "boot-1", 1}, system_uuid, act});
  }
  bool sent() const { return folder.read("arguments").find("chassis power o") != std::string::npos; }

  Folder folder;
  TestHost host;
  Ipmi plugin;

 private:
  std::string before_;
};

inline const std::string good_guid = "echo 'System GUID   : A123456789ABCDEFA123456789ABCDEF'; ";

inline std::string on_guid(const std::string& reply, const std::string& otherwise) {
  return "case \"$*\" in *'mc guid dump') " + reply + " ;; *) " + otherwise + " ;; esac\n";
}

// OpenIPMI's BMC simulator; its power switch is a file in the folder.
class Simulator {
 public:
  explicit Simulator(const std::string& guid_line) : port_(free_port()) {
    folder.write("power", "1");
    folder.write("hook",
                 "#!/bin/sh\nD=" + folder.path.string() +
                     "\ncase \"$1 $2\" in\n"
                     "'get power') echo power:$(cat $D/power) ;;\n'set power') echo $3 > $D/power ;;\n"
                     "'set reset') echo reset >> $D/resets ;;\nesac\n",
                 0700);
    folder.write("lan.conf", "name \"n1\"\nset_working_mc 0x20\n  startlan 1\n    addr 127.0.0.1 " +
                                 std::to_string(port_) +
                                 "\n    priv_limit admin\n    allowed_auths_admin none md2 md5 straight\n    " +
                                 guid_line + "\n  endlan\n  chassis_control \"" + (folder.path / "hook").string() +
                                 "\"\n"
                                 "  user 1 true \"\" \"test\" user 10 none md2 md5 straight\n"
                                 "  user 2 true \"admin\" \"s3cret\" admin 10 md5\n");
    folder.write("sim.emu",
                 "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\n"
                 "sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n");
    start();
    host.values.numbers = {{"timeout_ms", 5000}, {"cipher_suite", 3}};
    TestSettings bmc;
    bmc.texts = {
        {"address", "127.0.0.1"}, {"username", "admin"}, {"password_file", folder.write("password", "s3cret\n")}};
    bmc.numbers = {{"port", port_}};
    host.values.bmcs["n1"] = bmc;
    plugin.start(host);
  }
  ~Simulator() {
    kill(pid_, SIGCONT);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  // It needs a moment to listen; asked again until it answers, or for good after 30 s.
  PowerReading first_reading(const std::string& system_uuid, const BootId& boot = "boot-1") {
    const Instant limit = in(seconds(30));
    PowerReading reading = plugin.read({{}, "n1", boot, system_uuid});
    while (reading.note.find("Unable to establish") != std::string::npos && boottime_now() < limit)
      reading = plugin.read({{}, "n1", boot, system_uuid});
    return reading;
  }
  Answer power(PowerAct act, const BootId& victim = "boot-1") {
    return plugin.power({{in(seconds(60)), 1}, "n1", {"n1", victim, 1}, uuid, act});
  }
  Bmc bmc() const { return Bmc(over_lan({"127.0.0.1", port_, "admin", folder.path / "password", 3})); }
  void stop_answering() const { kill(pid_, SIGSTOP); }

  Folder folder;
  TestHost host;
  Ipmi plugin;

 private:
  static std::int64_t free_port() {
    const int number = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(number, reinterpret_cast<sockaddr*>(&address), size) == 0);
    getsockname(number, reinterpret_cast<sockaddr*>(&address), &size);
    close(number);
    return ntohs(address.sin_port);
  }

  void start() {
    const std::string configuration = folder.path / "lan.conf", emulation = folder.path / "sim.emu";
    const std::string state = folder.path / "state", journal = folder.path / "journal";
    fs::create_directory(state);
    pid_ = fork();
    if (pid_ != 0) return;
    const int output = open(journal.c_str(), O_CREAT | O_WRONLY, 0600);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execlp("ipmi_sim", "ipmi_sim", "-n", "-c", configuration.c_str(), "-f", emulation.c_str(), "-s", state.c_str(),
           nullptr);
    _exit(127);
  }

  std::int64_t port_;
  pid_t pid_ = -1;
};

}  // namespace pvcd::ipmi::test
