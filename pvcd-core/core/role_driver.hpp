// This node's part in the leadership: claims it when the decision says so, shows takeover and relinquish to the cluster
// until the role hooks have acknowledged, and gives the role back. The epoch moves first: a hook that hangs delays its
// service, never recovery (safety rule 10). The hooks let go of it whenever it is lost, too: another node's claim, a
// session that ended, a proof too old to act on (rule 5), or a view of the store that has not been whole for
// decision_limit, after which others may claim (rule 10).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/plugins.hpp"
#include "core/rounds.hpp"
#include "core/self.hpp"
#include "logic/election.hpp"

namespace pvcd::core {

class RoleDriver {
 public:
  RoleDriver(Cluster&, Plugins&, Rounds&, const Self&, const Settings& shared, std::function<void()> wake);

  void round(const Right&, Instant now, bool stopping);

  bool is_primary() const;
  void give_up();                // an administrator asked: relinquish, then vacate
  bool is_free_of_role() const;  // nothing of the role is left here: the daemon may go
  bool has_let_go() const;       // no service of it is left here, whatever the store still says

 private:
  void claim(ClaimRequest, const Right&, Instant now);
  void resume(bool may_serve);
  bool may_serve(const Right&, Instant now);
  bool is_on_record(CoordinatorState) const;
  void enter(CoordinatorState, Epoch);
  bool is_serving() const;
  void ask_hooks(Instant now);
  Plugins::PermitNow permit(std::uint64_t change) const;
  void hook_answered(const std::string& hook, const Answer&);
  void vacate(Instant now);
  void vacate_failed(const std::string& why);
  void publish();

  struct Unacknowledged {
    bool asking = false;
    Instant ask_not_before = 0;
    bool complained = false;
  };

  Cluster& cluster_;
  Plugins& plugins_;
  Rounds& rounds_;
  const Self& self_;
  std::function<void()> wake_;
  std::vector<std::string> hooks_;
  std::string elector_;
  logic::ElectionSettings settings_;
  logic::ElectionMemory memory_;
  Instant claim_not_before_ = 0;
  Instant vacate_not_before_ = 0;
  std::uint32_t vacates_failed_ = 0;
  bool claiming_ = false;
  bool vacating_ = false;
  bool publishing_ = false;
  bool give_up_asked_ = false;
  bool resumed_ = false;
  bool leaving_ = false;
  Instant view_was_whole_ = 0;
  Right right_;  // as of the last round
  CoordinatorState state_ = CoordinatorState::Secondary;
  Epoch epoch_ = 0;           // of the role that state_ is about
  std::uint64_t change_ = 0;  // tells the answers to this change of the role from those to an earlier one
  std::map<std::string, Unacknowledged> unacknowledged_;  // by role hook
};

}  // namespace pvcd::core
