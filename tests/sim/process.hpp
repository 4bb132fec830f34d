// A process of a host: what it meant to do later is not done when it has ended, and done late when it was stopped
// (SIGSTOP, a frozen host) meanwhile.
#pragma once

#include <vector>

#include "events.hpp"

namespace pvcd::sim {

class Process {
 public:
  explicit Process(Events& events) : events_(events) {}

  void start() {
    ++life_;
    lives_ = true;
    held_.clear();
  }
  void end() {
    ++life_;
    lives_ = false;
    paused_ = false;
    held_.clear();
  }

  // Two reasons to stand still: itself, and its host.
  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    release();
  }
  void freeze() { frozen_ = true; }
  void thaw() {
    frozen_ = false;
    release();
  }

  bool lives() const { return lives_; }
  bool runs() const { return lives_ && !paused_ && !frozen_; }
  std::uint64_t life() const { return life_; }

  void after(Microseconds delay, Events::Act act) {
    events_.after(delay, [this, life = life_, act = std::move(act)]() mutable {
      if (life != life_) return;
      if (runs())
        act();
      else
        held_.push_back(std::move(act));
    });
  }

 private:
  void release() {
    if (!runs()) return;
    auto held = std::exchange(held_, {});
    for (auto& act : held) after(0, std::move(act));
  }

  Events& events_;
  std::vector<Events::Act> held_;
  std::uint64_t life_ = 0;
  bool lives_ = false;
  bool paused_ = false;
  bool frozen_ = false;
};

}  // namespace pvcd::sim
