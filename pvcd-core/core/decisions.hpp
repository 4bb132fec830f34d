// Tells people what was decided and why: in the journal, on the bus, and (with the act, in its transaction) in the
// store.
#pragma once

#include <functional>
#include <string>

#include "logic/decision.hpp"
#include "sdk/change.hpp"

namespace pvcd::core {

class Decisions {
 public:
  using Emit = std::function<void(std::uint64_t id, const std::string& json)>;

  explicit Decisions(NodeName self) : self_(std::move(self)) {}
  void on_announced(Emit emit) { emit_ = std::move(emit); }

  // Of a decision that changes the store: what it is about and the versions that it was made on are told by the
  // changes. In their transaction the record exists exactly if the act does (S7).
  DecisionRecord record(const logic::Decision&, Epoch, const Changes&) const;

  // `created`: the path of the record in the store, whose number is the decision's id; empty for an act that changes
  // nothing there.
  void announce(const DecisionRecord&, const std::string& created, const std::string& vm = {});

 private:
  NodeName self_;
  Emit emit_;
};

}  // namespace pvcd::core
