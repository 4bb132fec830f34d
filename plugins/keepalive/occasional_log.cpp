#include "occasional_log.hpp"

#include <utility>

namespace pvcd::keepalive {
namespace {

constexpr Microseconds repeat_interval = seconds(60);

}  // namespace

void OccasionalLog::log(Level level, std::string_view message, Instant now) {
  if (message == last_ && now - logged_at_ < repeat_interval) {
    ++left_out_;
    return;
  }
  last_ = message;
  logged_at_ = now;
  const auto left_out = std::exchange(left_out_, 0);
  host_.log(level, left_out == 0 ? last_ : last_ + " (and " + std::to_string(left_out) + " times before)");
}

}  // namespace pvcd::keepalive
