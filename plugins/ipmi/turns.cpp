#include "turns.hpp"

#include <chrono>

namespace pvcd::ipmi {

std::unique_ptr<Turns::Turn> Turns::take(const std::string& end_point, Microseconds limit) {
  std::unique_lock lock(mutex_);
  if (!freed_.wait_for(lock, std::chrono::microseconds(static_cast<std::int64_t>(limit)),
                       [&] { return !busy_.contains(end_point); }))
    return {};
  busy_.insert(end_point);
  return std::make_unique<Turn>(*this, end_point);
}

Turns::Turn::~Turn() {
  {
    const std::lock_guard lock(turns_.mutex_);
    turns_.busy_.erase(end_point_);
  }
  turns_.freed_.notify_all();
}

}  // namespace pvcd::ipmi
