// This host's part of the mark (mark.hpp): it writes the id of its boot into its own BMC, in-band, and looks now and
// then whether it is still there, because a BMC that was replaced or reset has lost it. On a thread of its own:
// ipmitool may hang.
#pragma once

#include <set>
#include <string>
#include <thread>

#include "bmc.hpp"
#include "descriptor.hpp"
#include "sdk/plugin.hpp"
#include "sdk/types.hpp"

namespace pvcd::ipmi {

struct MarkerTimes {
  Microseconds call_limit = seconds(5);  // of each ipmitool
  Microseconds look_interval = seconds(60);
  Microseconds retry_interval = seconds(10);  // after a failure
};

class Marker {
 public:
  Marker(Host&, BootId, MarkerTimes);
  ~Marker();  // at once: the ipmitool under way is killed

 private:
  enum class Failure { NotWritten, NotKept };

  void run() noexcept;
  bool look();  // is the mark there, in the end?
  bool fail(Failure, const std::string& why);
  bool stops_within(Microseconds) const;
  Instant deadline() const;

  Host& host_;
  const BootId boot_;  // canonical
  const MarkerTimes times_;
  const Descriptor stopped_;  // readable when it is to end
  const Bmc bmc_;
  std::set<Failure> told_;  // since the mark was there last
  std::thread thread_;      // last: starts when everything else is there
};

}  // namespace pvcd::ipmi
