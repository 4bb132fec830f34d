// One call at a time to each BMC, also when two nodes have one by mistake.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "sdk/types.hpp"

namespace pvcd::ipmi {

class Turns {
 public:
  // The BMC is free again when it is destroyed.
  class Turn {
   public:
    Turn(Turns& turns, std::string end_point) : turns_(turns), end_point_(std::move(end_point)) {}
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
    std::string end_point_;
  };

  // Nothing if it is not free within this time.
  std::unique_ptr<Turn> take(const std::string& end_point, Microseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  std::set<std::string> busy_;
};

}  // namespace pvcd::ipmi
