// Carries out what is decided about this node's part in the leadership (logic/election.hpp, logic/role.hpp): claims the
// role, asks the role hooks, shows the role to the cluster, gives it back.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/plugins.hpp"
#include "core/rounds.hpp"
#include "core/self.hpp"
#include "logic/election.hpp"
#include "logic/role.hpp"

namespace pvcd::core {

class RoleDriver {
 public:
  RoleDriver(Cluster&, Plugins&, Rounds&, const Self&, const Settings& shared, std::function<void()> wake);

  void round(const Right&, Instant now, bool stopping);

  bool is_primary() const;
  bool may_lead() const { return is_primary() && !election_memory_.must_hear; }
  void give_up() { give_up_asked_ = true; }  // an administrator asked: relinquish, then vacate
  bool is_free_of_role() const { return !claiming_ && logic::is_free_of_role(memory_, is_primary()); }
  bool has_let_go() const { return logic::has_let_go(memory_); }

 private:
  void claim(const Right&, Instant now, bool leave);
  void send_claim(ClaimRequest, const Right&, Instant now);
  void ask(const logic::AskRoleHook&);
  Plugins::PermitNow permit(const logic::AskRoleHook&) const;
  void complain(const logic::AskRoleHook&, const std::string& why);
  void vacate();
  void publish(const RoleRecord&);

  Cluster& cluster_;
  Plugins& plugins_;
  Rounds& rounds_;
  const Self& self_;
  std::function<void()> wake_;
  std::string elector_;
  Right right_;  // as of the last round

  logic::ElectionSettings election_settings_;
  logic::ElectionMemory election_memory_;
  Instant claim_not_before_ = 0;
  bool claiming_ = false;

  logic::RoleSettings settings_;
  logic::RoleMemory memory_;
  std::vector<logic::RoleHookAnswered> answers_;
  std::optional<bool> vacated_;
  bool give_up_asked_ = false;
  bool publishing_ = false;
  std::set<std::string> complained_;  // of these hooks, at this change of the role
};

}  // namespace pvcd::core
