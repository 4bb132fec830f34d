// The high-water marks of this node in a file on its own disk (logic/high_water.hpp).
#pragma once

#include <string>

#include "logic/high_water.hpp"

namespace pvcd::core {

class HighWater {
 public:
  explicit HighWater(std::string file);  // throws Error when it is there and cannot be read as one

  // Compares, then remembers (synced). Empty: this store may be acted on.
  std::string check(const logic::ClusterView&);
  bool has_cluster() const { return !marks_.cluster_id.empty(); }

 private:
  void save(const logic::HighWaterMarks&) const;
  std::string file_;
  logic::HighWaterMarks marks_;
};

}  // namespace pvcd::core
