// Answers to "why" and "what if": from what is seen now, and from the decision records in the store. Nothing is
// written.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/requests.hpp"
#include "logic/coordinator.hpp"
#include "logic/explain.hpp"

namespace pvcd::core {

class Explanations {
 public:
  // Anybody may ask, and each answer is read from the store, where the core's own writes would wait behind them.
  static constexpr std::size_t asked_max = 8;  // at the same time

  // The cluster outlives it; replies that come after its end are dropped.
  Explanations(Cluster&, NodeName self, logic::CoordinatorSettings, std::function<Instant()> clock);
  ~Explanations();

  void look();  // after each change of the view: how long a heartbeat has been silent is known from looking

  // "vm/NAME" or "vm/UUID", "node/NAME", "decision/ID" -> sentences, one a line. Busy: too many ask.
  void explain(const std::string& what, Reply<std::string>);

  // "fail node n3", "drain n2", ... -> the plan as JSON.
  std::variant<std::string, RequestError> dry_run(const std::string& event) const;

 private:
  struct Search;

  void answer(const std::string& kind, const std::string& name, Reply<std::string>);
  void explain_decision(const std::string& id, Reply<std::string>);
  void with_decisions_about(const std::string& object, std::vector<std::string> said, Reply<std::string>);

  Cluster& cluster_;
  NodeName self_;
  logic::CoordinatorSettings settings_;
  std::function<Instant()> clock_;
  logic::Sights sights_;
  std::size_t asked_ = 0;
  std::shared_ptr<std::monostate> alive_;
};

}  // namespace pvcd::core
