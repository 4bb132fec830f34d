// Two or three nodes with one or two VMs, as a value: what the real decisions do in it is one step after the other, in
// an order that somebody else chooses. What surrounds them is as simple as it can be and still be wrong at the wrong
// moment: a store that answers or loses the answer, hosts that die, boot, freeze and go on, BMCs that are silent.
//
// Time passes in ticks that are as long as a heartbeat. Nobody is asked for anything in between: what a node decides is
// carried out at once, or late, when it goes on after everything else has moved.
#pragma once

#include <functional>

#include "record_rules.hpp"
#include "state_hash.hpp"

namespace pvcd::sim {

// What a path through the states may still use up.
struct Budget {
  int ticks = 0;
  int deaths = 0;  // of a host
  int boots = 0;
  int freezes = 0;       // of a host; it goes on for nothing
  int late = 0;          // decisions that are carried out late
  int lost_answers = 0;  // of the store: done, and nobody knows
  int silent_bmcs = 0;
  int crashes = 0;  // of a QEMU
  int wishes = 0;   // of people: move, stop
};

class SmallWorld : private Truth {
 public:
  SmallWorld(std::size_t nodes, std::size_t vms, const Budget&);
  SmallWorld(const SmallWorld&) = default;
  SmallWorld& operator=(const SmallWorld&) = default;

  struct Move {
    std::string what;
    std::function<void(SmallWorld&)> make;
  };
  std::vector<Move> moves() const;
  std::pair<std::uint64_t, std::uint64_t> hash() const;

  // Everything works again. What does not run in the end all the same (S10); empty: nothing.
  std::string repair();

  const std::optional<Broken>& broken() const { return broken_; }

 private:
  struct Qemu {
    VmUuid uuid;
    pvcd::Process process;
    Generation generation = 0;
    std::string address;
    bool runs = false;
  };
  // What was decided, with the right to it and with what it was decided on.
  struct Pending {
    struct Act {
      logic::CoordinatorAction action;
      std::optional<Changes> changes;
      bool still_holds = true;
    };
    std::vector<Act> acts;
    std::vector<logic::AgentAction> agent_acts;
    std::optional<ClaimRequest> claim;
    Epoch epoch = 0;
    Instant not_after = 0;
  };
  struct Node {
    bool on = true;
    bool frozen = false;
    bool bmc_answers = true;
    std::uint64_t boots = 1;
    std::uint64_t created = 0;
    Incarnation incarnation = 0;  // 0: not joined in this boot
    std::uint64_t counter = 0;
    Instant proven_at = 0;
    std::vector<Qemu> qemus;
    logic::AgentMemory agent;
    std::vector<logic::AgentAnswer> agent_answers;
    logic::CoordinatorMemory coordinator;
    std::vector<logic::CoordinatorAnswer> coordinator_answers;
    logic::ElectionMemory election;
    std::optional<Pending> late;
  };
  enum class Haste { AtOnce, AnswersLost, Late };

  const Entries& entries() const override { return entries_; }
  bool lives(const NodeName&, const BootId&) const override;

  NodeRecord record_of(std::size_t node) const;
  BootId boot_of(std::size_t node) const;
  Life life_of(std::size_t node) const;
  std::string address_of(std::size_t node) const { return "10.0.0." + std::to_string(node + 1); }
  logic::ClusterView view() const;
  std::size_t index_of(const NodeName&) const;
  void fail(const std::string& rule, const std::string& text);

  void tick();
  void die(std::size_t node);
  void boot(std::size_t node);
  void join(std::size_t node);
  void beat(std::size_t node);
  void step(std::size_t node, Haste);
  void go_on(std::size_t node);  // what was decided is carried out now
  Pending decide(std::size_t node, const logic::ClusterView&);
  void carry_out(std::size_t node, Pending, Haste);
  void claim(std::size_t node, const ClaimRequest&);
  void carry_out(std::size_t node, const Pending&, const Pending::Act&, Haste);
  void carry_out(std::size_t node, const Pending&, const logic::AgentAction&, Haste);
  bool power_off(std::size_t node, const logic::PowerOff&);
  HookVerdict ask_guard(std::size_t node, const VmStart&);
  void unlock(const std::string& image, const std::string& address);
  void break_lock(std::size_t node, const std::string& image, const std::string& address);
  CreateAnswer create(std::size_t node, const CreateRequest&, bool may);
  Answer resume(std::size_t node, const DomainRequest&, bool may);
  void end(std::size_t node, const pvcd::Process&, bool orderly);
  CommitCode commit(const Author&, const Changes&, std::uint64_t session = 0);
  void ask_to_move(const VmUuid&);
  std::string unwell() const;

  logic::CoordinatorSettings coordinator_settings_;
  logic::AgentSettings agent_settings_;
  logic::ElectionSettings election_settings_;
  Budget budget_;
  Instant now_ = 0;
  Entries entries_;
  std::vector<Node> nodes_;
  std::vector<VmUuid> vms_;
  std::map<std::string, std::string> locks_;  // image -> address
  std::set<std::string> blocklisted_;
  std::optional<Broken> broken_;
};

}  // namespace pvcd::sim
