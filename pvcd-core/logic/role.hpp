// This node's part in the leadership, once it is claimed: takeover and relinquish are shown to the cluster until the
// role hooks have acknowledged, and the role is given back. The epoch moves first: a hook that hangs delays its
// service, never recovery (safety rule 10). The hooks let go of it whenever it is lost, too: another node's claim, a
// session that ended, a proof too old to act on (rule 5), or a view of the store that has not been whole for
// decision_limit, after which others may claim (rule 10).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logic/view.hpp"
#include "sdk/roles.hpp"

namespace pvcd::logic {

struct RoleSettings {
  std::vector<std::string> hooks;
  bool is_coordinator = false;  // one that is none shows itself as a client
  Microseconds decision_limit = 0;
};

// A role that nobody takes back is void once this node's session has ended: leaving does not wait for it for ever.
inline constexpr std::uint32_t vacate_tries_max = 50;
inline constexpr Microseconds vacate_interval = milliseconds(200);  // between two tries
inline constexpr Microseconds role_hook_interval = seconds(1);      // a hook that did not acknowledge is asked again

struct AskedHook {
  bool asking = false;
  Instant not_before = 0;
  bool operator==(const AskedHook&) const = default;
};

struct RoleMemory {
  bool resumed = false;
  Instant view_was_whole = 0;
  CoordinatorState state = CoordinatorState::Secondary;
  Epoch epoch = 0;           // of the role that the state is about
  std::uint64_t change = 0;  // tells the answers to this change of the role from those to an earlier one
  std::map<std::string, AskedHook> unacknowledged;
  bool vacating = false;
  Instant vacate_not_before = 0;
  std::uint32_t vacates_failed = 0;
  bool operator==(const RoleMemory&) const = default;
};

struct AskRoleHook {
  std::string hook;
  CoordinatorState state = CoordinatorState::Takeover;  // or Relinquish
  Epoch epoch = 0;
  std::uint64_t change = 0;
};

// One for each hook that was asked.
struct RoleHookAnswered {
  std::string hook;
  std::uint64_t change = 0;
  bool acknowledged = false;
};

struct RoleInput {
  const ClusterView& view;
  Life self;
  bool may_act = false;
  bool leave = false;  // the daemon stops, or an administrator asked
  Instant now = 0;
  std::vector<RoleHookAnswered> answers;
  std::optional<bool> vacated;  // whether the last try to give the role back, which has ended now, was successful
};

struct RolePlan {
  RoleMemory next;
  RoleRecord shown;  // what the cluster is to see of this node
  std::vector<AskRoleHook> ask;
  bool vacate = false;  // the role of this node, at next.epoch
};

RolePlan decide_role(const RoleInput&, const RoleSettings&, const RoleMemory&);

bool is_primary(const ClusterView&, const Life&);
bool is_free_of_role(const RoleMemory&, bool is_primary);  // nothing of it is left here: the daemon may go
bool has_let_go(const RoleMemory&);  // no service of it is left here, whatever the store still says

}  // namespace pvcd::logic
