#include "sleep.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace pvcd::keepalive {
namespace {

constexpr const char* states_file = "/sys/power/state";
constexpr const char* any_sleep = "sleep.target";  // which every one of the others requires
constexpr std::array ways_to_sleep = {"suspend.target", "hibernate.target", "hybrid-sleep.target",
                                      "suspend-then-hibernate.target"};
constexpr std::array unit_directories = {"/etc/systemd/system/", "/run/systemd/system/"};  // the first wins

std::string unreadable(const std::string& path, int error) { return path + " cannot be read: " + std::strerror(error); }

// What the kernel offers; nothing: it cannot sleep.
struct States {
  std::string words;
  std::string failure;
};
States offered_states(const std::string& root) {
  errno = 0;
  std::ifstream file(root + states_file);
  if (!file) return errno == ENOENT ? States{} : States{{}, unreadable(states_file, errno)};
  States states;
  std::getline(file, states.words);
  if (file.bad()) states.failure = unreadable(states_file, errno);
  return states;
}

// As systemd sees it: a link to a device, which is /dev/null, or an empty file. A link to nothing is no mask.
struct Mask {
  bool masked = false;
  std::string failure;
};
Mask mask_of(const std::string& root, const std::string& unit) {
  for (const std::string directory : unit_directories) {
    struct stat entry {
    }, target{};
    const std::string path = root + directory + unit;
    if (::lstat(path.c_str(), &entry) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      return {false, unreadable(directory + unit, errno)};
    }
    if (::stat(path.c_str(), &target) != 0) return {false, unreadable(directory + unit, errno)};
    return {S_ISCHR(target.st_mode) || (S_ISREG(target.st_mode) && target.st_size == 0), {}};
  }
  return {};
}

// Of a unit that systemd would start; nothing: it is masked.
std::optional<std::string> why_not_masked(const std::string& root, const std::string& unit) {
  const Mask mask = mask_of(root, unit);
  if (mask.masked) return std::nullopt;
  return mask.failure.empty() ? unit + " is not masked" : mask.failure;
}

}  // namespace

std::string why_it_may_sleep(const std::string& root) {
  const States states = offered_states(root);
  if (states.words.empty() && states.failure.empty()) return {};
  const auto any = why_not_masked(root, any_sleep);
  if (!any) return {};
  for (const char* way : ways_to_sleep)
    if (const auto one = why_not_masked(root, way)) {
      const std::string kernel = states.failure.empty() ? "the kernel offers \"" + states.words + "\"" : states.failure;
      return kernel + ", " + *any + ", " + *one;
    }
  return {};
}

struct SleepWatch::Looks {
  std::mutex mutex;
  std::condition_variable over;
  bool is_over = false;
  std::string words;
};

SleepWatch::SleepWatch(Microseconds interval, const std::string& root) : looks_(std::make_shared<Looks>()) {
  looks_->words = why_it_may_sleep(root);
  std::thread([looks = looks_, root, pause = std::chrono::microseconds(interval)] {
    std::unique_lock lock(looks->mutex);
    while (!looks->over.wait_for(lock, pause, [&] { return looks->is_over; })) {
      lock.unlock();
      std::string words = why_it_may_sleep(root);
      lock.lock();
      looks->words = std::move(words);
    }
  }).detach();
}

SleepWatch::~SleepWatch() {
  const std::scoped_lock lock(looks_->mutex);
  looks_->is_over = true;
  looks_->over.notify_all();
}

std::string SleepWatch::words() const {
  const std::scoped_lock lock(looks_->mutex);
  return looks_->words;
}

}  // namespace pvcd::keepalive
