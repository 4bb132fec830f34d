// Names and numbers that every part of pvcd shares.
//
// Numbers, not clocks: a boot id names one life of a host, an incarnation one liveness session, a generation one
// ownership of a VM, an epoch one primary. None of them ever decreases (S4). No wall clock is compared anywhere.
#pragma once

#include <cstdint>
#include <string>

namespace pvcd {

using NodeName = std::string;  // as in [node] name
using BootId = std::string;    // /proc/sys/kernel/random/boot_id, 36 characters
using VmUuid = std::string;    // 36 characters, lower case

using Epoch = std::uint64_t;        // one primary; 0 = there never was one
using Generation = std::uint64_t;   // one ownership of a VM; 0 = never assigned
using Incarnation = std::uint64_t;  // one liveness session of a node; 0 = never joined
using Version = std::int32_t;       // of a store entry; any_version matches every version but not absence

inline constexpr Version any_version = -1;

// Microseconds of CLOCK_BOOTTIME of the machine that holds the value; never sent to be compared on another one.
using Instant = std::uint64_t;
using Microseconds = std::uint64_t;

inline constexpr Microseconds milliseconds(std::uint64_t count) { return count * 1000; }
inline constexpr Microseconds seconds(std::uint64_t count) { return count * 1000 * 1000; }

// One liveness session of one life of a host: who can write to a disk is always a Life.
struct Life {
  NodeName node;
  BootId boot;
  Incarnation incarnation = 0;
  bool operator==(const Life&) const = default;
};

}  // namespace pvcd
