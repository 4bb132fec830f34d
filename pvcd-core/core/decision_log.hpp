// The decision records in the store: the newest ones, for Explain. The journal keeps the rest.
#pragma once

#include "core/cluster.hpp"
#include "sdk/change.hpp"

namespace pvcd::core {

class DecisionLog {
 public:
  static constexpr std::size_t kept = 1000;
  static constexpr std::size_t removed_at_once = 500;  // in one transaction

  explicit DecisionLog(Cluster& cluster) : cluster_(cluster) {}

  // Removes the oldest until no more than those are there, however fast they come. Under the epoch; what fails is left
  // to the next time.
  void trim();

 private:
  void remove_oldest(Changes guard);

  Cluster& cluster_;
  bool trimming_ = false;
};

}  // namespace pvcd::core
