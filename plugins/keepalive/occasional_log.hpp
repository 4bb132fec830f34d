#pragma once

#include <string>
#include <string_view>

#include "sdk/plugin.hpp"
#include "sdk/types.hpp"

namespace pvcd::keepalive {

// A message that repeats itself is logged when it changes and once a minute, with the number of times it was left out.
class OccasionalLog {
 public:
  explicit OccasionalLog(Host& host) : host_(host) {}

  void log(Level, std::string_view message, Instant now);
  void forget() { last_.clear(); }  // the next one is logged at once

 private:
  Host& host_;
  std::string last_;
  Instant logged_at_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace pvcd::keepalive
