// What the units of this node said last, and when. Pure: the time comes in. The keepalive publishes ages; it never
// asks.
#pragma once

#include <map>
#include <string>

#include "sdk/model.hpp"
#include "sdk/proof.hpp"

namespace pvcd::keepalive {

inline constexpr std::size_t units_max = 32;
inline constexpr std::size_t note_bytes_max = 256;

class Ages {
 public:
  // False: the report is not acceptable (a name or state that nobody has, or one unit too many).
  bool accept(AgeReport, Instant now);

  std::map<std::string, UnitReport> units(Instant now) const;

  // As the core's reports make it: the first word until it runs, Shutdown from when it ends in an orderly way until one
  // runs again.
  DaemonState daemon_state() const { return daemon_state_; }

  // Of a new life; what the core has said already counts more.
  void begin(DaemonState first_word);

  // What a former process of this keepalive published. Its units report again within a second; until then they are as
  // old as they were. What the core has said to this process is newer: its "shutdown" is not taken back.
  void resume(const LiveRecord& before, Instant now);

 private:
  struct Heard {
    AgeReport report;
    Instant at = 0;
  };
  std::map<std::string, Heard> heard_;
  DaemonState daemon_state_ = DaemonState::Init;
};

}  // namespace pvcd::keepalive
