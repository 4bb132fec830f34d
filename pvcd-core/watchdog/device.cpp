#include "watchdog/device.hpp"

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "sdk/plugin.hpp"

namespace pvcd::watchdog {
namespace {

constexpr std::string_view software = "Software Watchdog";  // softdog: it dies with the kernel that it watches

// A device that cannot be disarmed would cut a host that has left in order, with all its VMs.
bool has_no_way_out(const std::string& path) {
  std::error_code error;
  std::string name = std::filesystem::canonical(path, error).filename();
  if (name == "watchdog") name = "watchdog0";  // its old name
  return std::ifstream("/sys/class/watchdog/" + name + "/nowayout").get() == '1';
}

}  // namespace

Device::Device(const std::string& path, Microseconds timeout, Before before) : path_(path) {
  if (has_no_way_out(path)) throw Error(path + ": it cannot be disarmed (nowayout), so leaving would cut the host");
  file_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file_ < 0) throw Error(path + ": " + std::strerror(errno));
  try {
    set_up(timeout);
  } catch (...) {
    if (before == Before::Unarmed)
      disarm();
    else
      ::close(file_);
    throw;
  }
}

Device::~Device() {
  if (file_ >= 0) ::close(file_);
}

void Device::set_up(Microseconds timeout) {
  watchdog_info info{};
  if (::ioctl(file_, WDIOC_GETSUPPORT, &info) != 0) throw Error(path_ + ": it is no watchdog: " + std::strerror(errno));
  const char* identity = reinterpret_cast<const char*>(info.identity);
  if (std::string_view(identity, ::strnlen(identity, sizeof info.identity)) == software)
    throw Error(path_ + ": a watchdog of software proves nothing of the host whose kernel hangs");
  if (!(info.options & WDIOF_MAGICCLOSE)) throw Error(path_ + ": it is disarmed when the process that pets it dies");
  int wanted_s = static_cast<int>(timeout / seconds(1));
  if (::ioctl(file_, WDIOC_SETTIMEOUT, &wanted_s) != 0)
    throw Error(path_ + ": its timeout cannot be set: " + std::strerror(errno));
  int timeout_s = 0;
  if (::ioctl(file_, WDIOC_GETTIMEOUT, &timeout_s) != 0 || timeout_s <= 0)
    throw Error(path_ + ": its timeout cannot be read back");
  timeout_ = seconds(static_cast<std::uint64_t>(timeout_s));
}

bool Device::pet() { return ::write(file_, "", 1) == 1; }  // any letter but V

bool Device::disarm() {
  const bool taken = ::write(file_, "V", 1) == 1;
  return ::close(std::exchange(file_, -1)) == 0 && taken;
}

}  // namespace pvcd::watchdog
