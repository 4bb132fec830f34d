// Rounds that decided something, each kept whole in a file: what was seen, remembered, answered and set, and what was
// decided. Deciding it again must give the same, bit by bit; pvcd-verify --replay does that. Nothing reads them to
// decide.
#pragma once

#include <string>
#include <vector>

#include "core/plans.hpp"

namespace pvcd::core {

// As the text of a file.
std::string round_text(const logic::CoordinatorInput&, const logic::CoordinatorSettings&,
                       const logic::CoordinatorMemory& before, const logic::CoordinatorPlan&, const Decider&,
                       const std::vector<Carried>&);
std::string round_text(const logic::AgentInput&, const logic::AgentSettings&, const logic::AgentMemory& before,
                       const logic::AgentPlan&, const Decider&, const std::vector<Carried>&);
std::string round_text(const logic::ElectionInput&, const logic::ElectionSettings&, const logic::ElectionMemory& before,
                       const logic::ElectionPlan&, const Decider&, const std::vector<Carried>&);

// Decides it again. What differs, in a sentence; empty: nothing. Throws Error when the text is no round.
std::string replay(const std::string& text);

class Rounds {
 public:
  explicit Rounds(std::string directory);

  // Rounds without a decision that is recorded or announced are not kept, nor are those of a very large cluster. What
  // cannot be kept is said once and stops nothing.
  template <class Input, class Settings, class Memory, class Plan>
  void keep(const Input& in, const Settings& settings, const Memory& before, const Plan& plan, const Decider& decider,
            const std::vector<Carried>& steps) {
    if (is_worth_it(in.view, steps)) write(round_text(in, settings, before, plan, decider, steps));
  }

 private:
  bool is_worth_it(const logic::ClusterView&, const std::vector<Carried>&);
  void write(const std::string& text);
  void prepare();
  std::string file_of(std::uint64_t number) const;
  void complain(const std::string& why);

  std::string directory_;
  std::uint64_t next_ = 0;
  bool prepared_ = false;
  std::string complaint_;
};

}  // namespace pvcd::core
