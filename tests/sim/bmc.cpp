#include "bmc.hpp"

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds reset_interval = seconds(7);
constexpr Microseconds reset_time = milliseconds(700);  // must be less than the gap between two reads that say off

}  // namespace

// Not after it was told off: one that loses the off over its reset, or does it later, would read off at such a moment
// while its host is on, and the logic takes a single read of off after its own off for proof.
bool Bmc::is_resetting() const { return flaps && !told_off_ && world_.events.now() % reset_interval < reset_time; }

std::optional<PowerState> Bmc::read() {
  if (dead) return std::nullopt;
  if (reads_off || is_resetting()) return PowerState::Off;
  return world_.node(node_).host.is_on() ? PowerState::On : PowerState::Off;
}

Microseconds Bmc::latency() {
  return slow ? world_.random.between(milliseconds(500), seconds(6))
              : world_.random.between(milliseconds(10), milliseconds(300));
}

// A retransmission runs a slow switch again, even after the client gave up.
bool Bmc::accept_off() {
  if (dead) return false;
  told_off_ = true;
  if (lies) return true;
  const auto switch_off = [this] {
    if (!dead) world_.node(node_).host.power_off();
  };
  world_.events.after(latency(), switch_off);
  if (slow && world_.random.chance(50)) world_.events.after(latency() + latency(), switch_off);
  return true;
}

}  // namespace pvcd::sim
