#include "sdk/join.hpp"

#include <charconv>

namespace pvcd::keepalive {
namespace {

std::string in_ms(Microseconds time) { return std::to_string(time / 1000) + " ms"; }

// Safety rule 18: every deadline of the cluster is computed from the configured timeout.
std::optional<Refuse> refuse_short_session(const OwnFacts& self) {
  if (self.session_timeout_granted >= self.session_timeout_wanted) return std::nullopt;
  return Refuse{
      "the store grants a session timeout of " + in_ms(self.session_timeout_granted) +
      ", but store.session_timeout_ms asks for " + in_ms(self.session_timeout_wanted) +
      "; raise maxSessionTimeout of the ZooKeeper servers and restart pvcd-keepalive, or lower the setting on "
      "every node"};
}

bool differs(const std::string& recorded, const std::string& own) { return !recorded.empty() && recorded != own; }
bool shared(const std::string& left, const std::string& right) { return !left.empty() && left == right; }

// A second machine under a known name, or a known machine under a second name (safety rule 13). In one boot it is one
// machine for certain: there its UUID may be set right, for a BMC that says another than the firmware.
std::optional<Refuse> refuse_identity(const ClusterLook& seen, const NodeRecord& self) {
  for (const auto& [name, found] : seen.nodes) {
    const NodeRecord& node = found.value;
    if (name == self.name) {
      if (differs(node.machine_id, self.machine_id))
        return Refuse{"node name " + name + " belongs to the machine with machine id " + node.machine_id +
                      ", this one has " + self.machine_id + "; give this machine another node.name"};
      if (node.boot != self.boot && differs(node.system_uuid, self.system_uuid))
        return Refuse{"node name " + name + " belongs to the machine with system UUID " + node.system_uuid +
                      ", this one has \"" + self.system_uuid + "\"; give this machine another node.name"};
    } else if (shared(node.machine_id, self.machine_id)) {
      return Refuse{"machine id " + self.machine_id + " is already known as node " + name +
                    "; a copied system needs an /etc/machine-id of its own"};
    } else if (shared(node.system_uuid, self.system_uuid)) {
      return Refuse{"system UUID " + self.system_uuid + " is already known as node " + name +
                    "; set node.system_uuid to the UUID that this machine's BMC reports"};
    }
  }
  return std::nullopt;
}

const Found<NodeRecord>* own_record(const ClusterLook& seen, const NodeRecord& self) {
  auto found = seen.nodes.find(self.name);
  return found == seen.nodes.end() ? nullptr : &found->second;
}

// A host that rebooted gets past this when its last session times out. Somebody who goes on living is another machine
// with a copy of our identity, and a join would be taken for evidence that it is dead.
std::optional<Wait> wait_for_other_boot(const ClusterLook& seen, const OwnFacts& self) {
  const auto* record = own_record(seen, self.node);
  if (!record || record->value.boot == self.node.boot || seen.session_owner == 0) return std::nullopt;
  return Wait{"waiting for the session of boot " + record->value.boot + " of this node to end"};
}

// An older boot's fence needs nothing from us: this boot is the evidence that settles it.
bool fence_is_about_this_boot(const ClusterLook& seen, const NodeRecord& self) {
  return seen.fence && seen.fence->value.victim.boot == self.boot;
}

Refuse fenced(const NodeRecord& self, const std::string& proof) {
  return Refuse{"boot " + self.boot + " was declared dead: " + proof + "; this host has to reboot before it can join"};
}

std::optional<JoinDecision> obey_fence(const ClusterLook& seen, const NodeRecord& self) {
  if (seen.evidence) return fenced(self, "there is evidence about it");
  if (!fence_is_about_this_boot(seen, self)) return std::nullopt;
  switch (seen.fence->value.phase) {
    case FencePhase::Intent:
      return std::nullopt;
    case FencePhase::Confirmed:
      return fenced(self, "its fence by " + seen.fence->value.by + " was confirmed");
    case FencePhase::Acting:
      break;
  }
  return Wait{"waiting for the fence by " + seen.fence->value.by + " to be settled: it may already have sent off"};
}

Change exclude_fence(const ClusterLook& seen, const NodeRecord& self) {
  const Key key{Kind::Fence, self.name};
  if (!seen.fence) return Absent{key};
  if (seen.fence->value.phase == FencePhase::Intent)
    return Remove{key, seen.fence->version};  // cancels it: its reason has ended
  return Check{key, seen.fence->version};
}

DecisionRecord decision(const NodeRecord& record, const Found<NodeRecord>* known, std::uint64_t time) {
  DecisionRecord why;
  why.what = record.name + " joins as incarnation " + std::to_string(record.incarnation) + " in boot " + record.boot;
  if (!known)
    why.because = "it is new";
  else
    why.because = known->value.boot == record.boot ? "its former session in this boot has ended"
                                                   : "it has booted since boot " + known->value.boot;
  why.object = "node/" + record.name;
  if (known) why.inputs = {"/nodes/" + record.name + "@" + std::to_string(known->version)};
  why.node = record.name;
  why.time = time;
  return why;
}

// Who left and starts again has left until it runs: a start that fails is no reason to switch the host off (rule 11).
DaemonState first_word(const ClusterLook& seen, const NodeRecord& self) {
  const bool left = seen.live && seen.live->boot == self.boot && is_leaving(seen.live->daemon_state);
  return left ? seen.live->daemon_state : DaemonState::Init;
}

Join join(const ClusterLook& seen, const OwnFacts& self) {
  const auto* known = own_record(seen, self.node);
  NodeRecord record = self.node;
  record.incarnation = known ? known->value.incarnation + 1 : 1;
  LiveRecord live;
  live.node = record.name;
  live.boot = record.boot;
  live.incarnation = record.incarnation;
  live.daemon_state = first_word(seen, record);

  return {record.incarnation,
          live.daemon_state,
          {Put{{Kind::Node, record.name}, record, known ? std::optional(known->version) : std::nullopt},
           Put{live_key(record.name, record.incarnation), live, std::nullopt},
           Put{session_key(record.name, record.incarnation), {}, std::nullopt}, exclude_fence(seen, record),
           Absent{{Kind::Evidence, record.boot}}, Append{Kind::Decision, decision(record, known, self.time)}}};
}

std::optional<Resume> resume(const ClusterLook& seen, const OwnFacts& self) {
  const auto* known = own_record(seen, self.node);
  const bool same_session = seen.session_owner != 0 && seen.session_owner == self.session;
  if (!known || known->value.boot != self.node.boot || !same_session || !seen.live) return std::nullopt;
  Resume resume{*seen.live, {}};
  NodeRecord record = self.node;
  record.incarnation = known->value.incarnation;
  if (record == known->value) return resume;
  resume.changes = {Check{session_key(record.name, record.incarnation)},
                    Put{{Kind::Node, record.name}, record, known->version}};
  return resume;
}

}  // namespace

JoinDecision decide_join(const ClusterLook& seen, const OwnFacts& self) {
  if (auto refused = refuse_short_session(self)) return *refused;
  if (auto refused = refuse_identity(seen, self.node)) return *refused;
  // A living session is no reason to stop when a fence begins: its evidence cannot be committed while we live.
  if (auto resumed = resume(seen, self); resumed && !seen.evidence) return *resumed;
  if (auto obeyed = obey_fence(seen, self.node)) return *obeyed;
  if (auto wait = wait_for_other_boot(seen, self)) return *wait;
  return join(seen, self);
}

std::optional<Incarnation> incarnation_of(const std::string& live_name, const NodeName& node) {
  const std::string prefix = node + ".";
  if (live_name.rfind(prefix, 0) != 0) return std::nullopt;
  Incarnation incarnation = 0;
  const char* end = live_name.data() + live_name.size();
  auto [rest, error] = std::from_chars(live_name.data() + prefix.size(), end, incarnation);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return incarnation;
}

}  // namespace pvcd::keepalive
