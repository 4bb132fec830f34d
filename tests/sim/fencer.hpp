// The ipmi plugin of one node. Follows plugins/ipmi: ipmi.cpp, bmc.cpp.
#pragma once

#include "sdk/roles.hpp"
#include "worker.hpp"

namespace pvcd::sim {

struct World;

class Fencer {
 public:
  template <class Answer>
  using Reply = std::function<void(Answer)>;

  Fencer(World&, std::size_t node);

  void read(const ReadRequest&, const Reply<PowerReading>&);
  void power(const PowerRequest&, const Reply<Answer>&);

  Worker worker;

 private:
  bool holds(const Permit&) const;

  World& world_;
  std::size_t node_;
};

}  // namespace pvcd::sim
