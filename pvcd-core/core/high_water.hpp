// The high-water marks of this node in a file on its own disk (logic/high_water.hpp).
#pragma once

#include <string>

#include "logic/high_water.hpp"

namespace pvcd::core {

class HighWater {
 public:
  explicit HighWater(std::string file);  // throws Error when it is there and cannot be read as one

  // Compares, then remembers (synced): the plan's marks are on disk. Throws Error when they cannot be.
  logic::HighWaterPlan check(const logic::ClusterView&, const NodeName& self);

 private:
  void save(const logic::HighWaterMarks&) const;
  std::string file_;
  logic::HighWaterMarks marks_;
};

}  // namespace pvcd::core
