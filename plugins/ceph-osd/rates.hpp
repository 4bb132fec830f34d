// Reads and writes of each OSD per second, for releases that do not tell them in JSON (before 17): from the counters of
// the placement groups, whose primary OSD does what clients ask for, at two moments.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "json.hpp"
#include "sdk/types.hpp"

namespace pvcd::ceph_osd {

struct Rates {
  double read_ops = 0;
  double write_ops = 0;
  double read_bytes = 0;
  double write_bytes = 0;
  bool operator==(const Rates&) const = default;
};

class PgRates {
 public:
  // Older counters say what was, not what is.
  static constexpr Microseconds window_max = seconds(300);

  // Of the OSDs that are primary of a group now; nothing until there is something to compare with. An OSD that is
  // primary of none does nothing for clients.
  std::optional<std::map<std::uint32_t, Rates>> take(const Json& groups, Instant now);
  void forget() { last_.clear(); }

 private:
  struct Counters {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t read_kb = 0;
    std::uint64_t write_kb = 0;
  };
  static std::optional<Counters> counters_of(const Json& group);
  static void add(Rates& to, const Counters& before, const Counters& now, double seconds);

  std::map<std::string, Counters> last_;
  Instant last_at_ = 0;
};

}  // namespace pvcd::ceph_osd
