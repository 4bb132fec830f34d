// Pets the watchdog of this host only while the proof of its session is young (design, evidence kind 3). It needs
// neither the bus, nor the store, nor the core, and asks nobody: it reads a line in /run/pvcd and the clock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "sdk/proof.hpp"
#include "sdk/self_fence.hpp"
#include "watchdog/deadline.hpp"
#include "watchdog/device.hpp"

namespace pvcd::watchdog {

inline constexpr Microseconds pet_interval = milliseconds(250);

struct HelperSettings {
  BootId boot;
  std::string run_directory;
  std::string device;
  Microseconds timeout = 0;      // W
  Microseconds proof_limit = 0;  // D
  std::function<void(const std::string&)> log;
};

class Helper {
 public:
  explicit Helper(HelperSettings);

  void tick(Instant now);  // every pet_interval
  void leave();            // SIGTERM; disarms only when the store knows

 private:
  bool is_armed() const { return words_ && words_->armed; }
  void pet(Instant limit);
  void open(Device::Before);
  void tell(SelfFence);
  void log_once(const std::string&);
  std::string read(const char* file) const;
  bool write(const std::string& text) const;

  HelperSettings settings_;
  Deadline deadline_;
  std::unique_ptr<Device> device_;
  std::optional<SelfFence> words_;  // as they are in the file
  std::set<std::string> logged_;    // since all was well
  Instant retry_at_ = 0;
};

}  // namespace pvcd::watchdog
