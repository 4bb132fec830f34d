// The management controller of one host: it says what it wants, late, and does what it was told later still. It never
// reads off for longer than it takes to reset, unless its host is off or a story wants it: against that there is no
// proof.
#pragma once

#include <functional>

#include "sdk/roles.hpp"

namespace pvcd::sim {

struct World;

class Bmc {
 public:
  Bmc(World& world, std::size_t node) : wired_to(node), world_(world), node_(node) {}

  // Nothing: it does not answer.
  std::optional<PowerState> read();
  bool accept_off();

  Microseconds latency();

  std::size_t wired_to;    // the host whose BMC answers under this address
  bool dead = false;       // no power, or no network of its own
  bool lies = false;       // accepts and does nothing
  bool slow = false;       // answers late, switches late and perhaps twice
  bool flaps = false;      // resets again and again: reads off for a moment
  bool reads_off = false;  // whatever its host does

 private:
  bool is_resetting() const;

  World& world_;
  std::size_t node_;
  bool told_off_ = false;
};

}  // namespace pvcd::sim
