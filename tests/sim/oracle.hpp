// What must hold, told from what happened in the world and in the store. It shares no code with `logic`.
//   S1, S2  who writes to an image and who could; S3, S4  what is committed (record_rules.hpp); S5, S6  who acts, on
//   what strength; S7  each act has a reason; offs, evidence and places are held against the truth. S10 is in
//   settled.hpp.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host.hpp"
#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "record_rules.hpp"
#include "store.hpp"

namespace pvcd::sim {

struct Node;

struct Violation {
  std::string rule;
  std::string text;
  Instant at = 0;
};

// Between a look at the store, a decision and the act may be: the lag of a view, the limit of a proof, a slow BMC.
inline constexpr Microseconds healthy_for_sure = seconds(14);

class Oracle : private Truth {
 public:
  explicit Oracle(World& world) : world_(world) {}

  // what happens on hosts and in Ceph
  void created(const QemuPointer&);
  void plugged(const QemuPointer&);  // its last instance
  void started(const Qemu&);
  void destroys(const Qemu&);
  void wrote(const Qemu&, const Instance&, std::size_t osd);
  void breaks(std::size_t node, const std::string& image, const std::string& address);
  void acted(std::size_t node, const std::string& what);
  void sends_off(std::size_t node, const Life& victim);
  void shuts_out(std::size_t node, const Life& victim);
  void asked_off(const NodeName& node) { asked_off_.push_back(node); }
  void disarms(std::size_t node);
  void misreads(std::size_t node, bool);  // what is read of its BMC may be of the past, or wrong
  void sends_heartbeat(std::size_t node, std::uint64_t counter);

  // what is committed
  void changed(const Author&, const Key&, const Entry* before, const Entry* after);

  // what is decided, held against what was seen
  void decided(std::size_t node, const logic::ClusterView&, const logic::AgentAction&);
  void decided(std::size_t node, const logic::ClusterView&, const logic::CoordinatorPlan&);

  bool has_run_on_a_copy(const VmUuid&) const;  // of the shared file system, which has gone with its host since

  void fail(const std::string& rule, const std::string& text);
  const std::optional<Violation>& violation() const { return violation_; }

 private:
  struct Health {
    std::map<std::uint64_t, Instant> sent;  // heartbeats that the store has not taken yet
    Instant proven_at = 0;                  // sending of the last one that it took
    Instant beat_at = 0;
    std::optional<Instant> healthy_since;  // session there, heartbeats without a gap
    Instant core_stale_at = 0;             // when it last published a core that has not decided for too long
    DaemonState last_word = DaemonState::Unknown;
    Instant misread_until = 0;
  };
  struct Fence {
    Life victim;
    std::optional<Instant> ended_at;
  };
  struct Count {
    Instant since = 0;
    std::uint64_t times = 0;
  };

  const Entries& entries() const override;
  bool lives(const NodeName&, const BootId&) const override;
  Health& health(const std::string& live_name);
  void leader_changed(const LeaderRecord* before, const LeaderRecord* after);
  void owner_changed(const VmUuid&, const OwnerRecord* before, const OwnerRecord* after);
  void not_cut_off(const Qemu&, const Instance&);
  void released(const VmUuid&, const OwnerRecord&);
  void evidence_written(const EvidenceRecord&);
  void watchdog_recorded(const LiveRecord&);
  void beat(const LiveRecord&);
  void look_for_an_heir(const LiveRecord&);
  bool could_be_primary(const Node&) const;
  bool vanished_with_others(std::size_t node, const NodeName& victim) const;
  std::string better_place(std::size_t node, const logic::ClusterView&, const logic::AssignVm&) const;
  bool is_wanted_since(const VmUuid&, Microseconds) const;
  void count(const std::string& what, Microseconds within, std::uint64_t times_max);

  World& world_;
  std::optional<Violation> violation_;
  std::vector<QemuPointer> qemus_;              // all there ever were, in the order of their creation
  std::map<std::string, QemuPointer> writers_;  // by address
  std::set<std::string> recorded_;              // addresses that a record of a run has named
  std::map<std::string, std::int64_t> newest_;  // image and OSD: the latest QEMU that touched it
  std::map<VmUuid, std::string> file_systems_;  // that each VM ran on last
  std::map<NodeName, Health> health_;
  std::map<NodeName, Fence> acting_;  // whose fence has been on record as acting
  std::map<VmUuid, Instant> wanted_since_;
  std::map<std::string, Count> counts_;
  std::set<BootId> given_up_;  // an operator has said that it is off, and was wrong
  std::set<BootId> shut_out_;  // it may live, and writes nothing
  std::vector<NodeName> asked_off_;
  std::uint64_t heir_missed_ = 0;
};

}  // namespace pvcd::sim
