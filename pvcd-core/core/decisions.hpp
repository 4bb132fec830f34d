// Tells people what was decided and why: in the journal and on the bus. In the store it is with the act (plans.hpp).
#pragma once

#include <functional>
#include <set>
#include <string>

#include "sdk/change.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {

class Decisions {
 public:
  static constexpr std::size_t remembered_max = 200;  // the newest of this core

  using Emit = std::function<void(std::uint64_t id, const std::string& json)>;

  void on_announced(Emit emit) { emit_ = std::move(emit); }

  // `created`: the path of the record in the store, whose number is the decision's id; empty for an act that changes
  // nothing there. Notice is for what the store has and for what is done to another host, Info for
  // what a node does about its own VMs between two records.
  void announce(Level, const DecisionRecord&, const std::string& created, const std::string& vm = {});

  bool has_announced(std::uint64_t id) const { return announced_.contains(id); }

 private:
  Emit emit_;
  std::set<std::uint64_t> announced_;
};

}  // namespace pvcd::core
