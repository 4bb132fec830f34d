// Runs the agent's decisions: gives it what is seen, carries out what it wants, brings back what came of it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/decisions.hpp"
#include "core/first_sights.hpp"
#include "core/plugins.hpp"
#include "core/rounds.hpp"
#include "core/self.hpp"
#include "logic/agent.hpp"

namespace pvcd::core {

class AgentDriver {
 public:
  // `wake` asks for another round soon.
  AgentDriver(Cluster&, Plugins&, Decisions&, Rounds&, const Self&, const Settings& shared, std::function<void()> wake);

  void round(const Right&, Instant now, bool stopping);
  std::string hindrance() const;  // why no VM can be started here at all; empty: nothing stands in the way

 private:
  void execute(const logic::AgentAction&, Carried);
  void answer(const VmUuid&, logic::AgentResult);
  void take_fact(const std::string& key, const std::string& value);
  void keep_first_sights();
  Plugins::PermitNow permit() const;
  Plugins::PermitNow while_awaited() const;
  void commit(const logic::AgentAction&, Carried);
  void trim_history(const VmUuid&);

  Cluster& cluster_;
  Plugins& plugins_;
  Decisions& decisions_;
  Rounds& rounds_;
  const Self& self_;
  std::function<void()> wake_;
  std::string hypervisor_;
  logic::AgentSettings settings_;
  logic::AgentMemory memory_;
  FirstSightsFile first_sights_;
  std::string why_not_kept_;
  std::vector<logic::AgentAnswer> answers_;
  std::map<VmUuid, DomainState> domains_;
  bool domains_ready_ = false;
  std::map<VmUuid, std::vector<PluggedImage>> images_;
  Right right_;  // as of the last round
};

}  // namespace pvcd::core
