// What the bus shows of the storage cluster. What is not known has a value of its own there, because 0 would be a lie:
// the largest number of its type, no number (NaN), or an empty text.
#pragma once

#include <limits>
#include <optional>
#include <string>

#include "core/objects/derive.hpp"
#include "core/storage_view.hpp"

namespace pvcd::core {

template <class Number>
Number shown(const std::optional<Number>& value) {
  constexpr Number not_known = std::numeric_limits<Number>::has_quiet_NaN ? std::numeric_limits<Number>::quiet_NaN()
                                                                          : std::numeric_limits<Number>::max();
  return value.value_or(not_known);
}

struct StorageProperties {
  HealthFacts health;
  std::vector<PoolFacts> pools;
  std::uint32_t osds = 0;
  std::uint32_t osds_up = 0;
  std::uint32_t osds_in = 0;
  std::string note;
};

StorageProperties derive_storage(const StorageFigures&);

std::span<const Property<StorageProperties>> changing(const StorageProperties&);

}  // namespace pvcd::core
