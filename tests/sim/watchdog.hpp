// The watchdog of one host, and the helper that pets it. Follows watchdog/helper.cpp and watchdog/device.cpp.
#pragma once

#include <optional>

#include "process.hpp"
#include "sdk/model.hpp"

namespace pvcd::sim {

struct World;

class Watchdog {
 public:
  Watchdog(World&, std::size_t node);

  bool wanted = false;  // [self_fence] mode = "watchdog"
  bool fitted = false;  // there is a device

  void start();
  void kill();
  void leave(bool recorded);  // after the keepalive; recorded: the store has been told that it is not armed
  void power_off();

  bool armed() const { return armed_; }
  std::optional<SelfFence> words() const;  // what the keepalive finds in /run

  Process process;

 private:
  void look();
  void pet(Instant sent_at);
  void ping();
  void let_go();
  void die();
  void expire(Instant pinged_at);

  World& world_;
  std::size_t node_;
  bool armed_ = false;
  bool open_ = false;  // the helper has it
  Instant pinged_at_ = 0;
  std::optional<SelfFence> file_;
};

}  // namespace pvcd::sim
