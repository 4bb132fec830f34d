// Runs the coordinator's decisions, as the primary or as a coordinator that looks after a silent primary.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/decision_log.hpp"
#include "core/decisions.hpp"
#include "core/plugins.hpp"
#include "core/rounds.hpp"
#include "core/self.hpp"
#include "logic/coordinator.hpp"
#include "runtime/loop.hpp"

namespace pvcd::core {

logic::CoordinatorSettings coordinator_settings(const Settings& shared);
// What a node needs to run VMs, as configured.
logic::UnitNeeds unit_needs(const Settings& shared);

class CoordinatorDriver {
 public:
  // `give_up_role` is asked for by an administrator's job.
  CoordinatorDriver(runtime::Loop&, Cluster&, Plugins&, Decisions&, Rounds&, const Self&, const Settings& shared,
                    std::function<void()> wake, std::function<void()> give_up_role);

  void round(const Right&, Instant now, bool primary, const logic::Heards&);

 private:
  bool leaves_server_of_suspect(const logic::Heards&, Instant now);
  void execute(const logic::CoordinatorAction&, Carried, Instant now);
  void read_power(const logic::ReadPower&);
  void power_off(const logic::PowerOff&, Instant now);
  void fence_storage(const logic::FenceStorage&, Instant now);
  template <class Act>
  std::optional<Permit> permit_now(const Act&) const;
  void commit(const std::string& key, Level, Carried);
  void answer(logic::CoordinatorAnswer);

  runtime::Loop& loop_;
  Cluster& cluster_;
  Plugins& plugins_;
  Decisions& decisions_;
  Rounds& rounds_;
  const Self& self_;
  std::function<void()> wake_;
  std::function<void()> give_up_role_;
  std::string fencer_;
  std::string storage_fencer_;
  logic::CoordinatorSettings settings_;
  logic::CoordinatorMemory memory_;
  std::vector<logic::CoordinatorAnswer> answers_;
  Right right_;  // as of the last round
  bool primary_ = false;
  Instant stays_at_server_until_ = 0;
  DecisionLog decision_log_;
  runtime::Timer trim_;
  runtime::Timer due_;  // a round for what only time changes
};

}  // namespace pvcd::core
