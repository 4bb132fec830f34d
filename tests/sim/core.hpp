// The core of one node: the real decisions (logic), with the drivers that carry them out. Follows core/daemon.cpp,
// self.cpp, high_water.cpp, agent_driver.cpp, coordinator_driver.cpp, role_driver.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "call_queue.hpp"
#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "logic/election.hpp"
#include "logic/role.hpp"
#include "observer.hpp"
#include "store.hpp"

namespace pvcd::sim {

class Core {
 public:
  Core(World&, std::size_t node);

  void start();
  void stop();  // SIGTERM: the role first; then `stopped` is called
  std::function<void()> stopped;
  Instant started_at() const { return started_at_; }
  bool is_stopping() const { return stopping_ && process.lives(); }

  void store_changed(bool heartbeat);
  void hear(const NodeName&, Incarnation);  // beside the store
  void take_fact(const VmUuid&, DomainState);
  void take_images(const VmUuid&);  // that its QEMU has open
  void read_facts();                // the hypervisor has a full list
  void lose_facts();                // the hypervisor's process has ended

  // Of a person: Unknown if this node does not reach the store.
  void submit(const std::string& type, const std::string& object, std::map<std::string, std::string> arguments);
  void set_maintenance(bool on);
  void accept_store();
  const logic::ClusterView& view() const { return observer.view(); }
  const std::map<VmUuid, std::string>& waiting() const { return coordinator_memory_.waiting; }

  Process process;
  Observer observer;
  Microseconds role_hook_takes = milliseconds(1);

 private:
  struct Right {
    bool may_act = false;
    Instant not_after = 0;
  };

  void wake(Microseconds delay);
  void tick();
  void round();
  void count_round();
  bool is_busy() const;
  Life self() const;
  Right right() const;
  std::string check_high_water();
  Epoch epoch() const;
  Instant clock() const;
  std::function<std::optional<Permit>()> permit() const;  // of the moment in which it is asked for
  void found_cluster();

  std::vector<PluggedImage> open_images(const VmUuid&) const;
  void run_agent(const Right&);
  void execute(const logic::AgentAction&);
  void answer(const VmUuid&, logic::AgentResult);
  void commit(const VmUuid&, const Changes&, bool answered);

  void run_coordinator(const Right&);
  void execute(const logic::CoordinatorAction&);
  void read_power(const logic::ReadPower&);
  void power_off(const logic::PowerOff&);
  void fence_storage(const logic::FenceStorage&);
  void answer(logic::CoordinatorAnswer);

  bool is_primary() const;
  void run_role(const Right&);
  void claim(ClaimRequest, const Right&);
  void vacate();
  void ask(const logic::AskRoleHook&);
  void publish(const RoleRecord&);

  World& world_;
  std::size_t node_;
  Client client_;
  BootId boot_;  // of the last start
  Instant started_at_ = 0;
  logic::Heards heard_;
  bool stopping_ = false;
  CallQueue calls_;
  Right right_;          // of the last round
  std::string behind_;   // in what the store was then
  Instant wake_at_ = 0;  // 0: not asked for
  Instant decided_at_ = 0;
  bool founding_ = false;
  bool telling_ = false;
  bool acted_ = false;  // in the last round
  Instant rounds_since_ = 0;
  std::uint64_t rounds_ = 0;  // since then

  logic::AgentSettings agent_settings_;
  logic::AgentMemory agent_memory_;
  std::vector<logic::AgentAnswer> agent_answers_;
  std::map<VmUuid, DomainState> domains_;
  bool domains_ready_ = false;
  std::map<VmUuid, std::vector<PluggedImage>> images_;

  logic::CoordinatorSettings coordinator_settings_;
  logic::CoordinatorMemory coordinator_memory_;
  std::vector<logic::CoordinatorAnswer> coordinator_answers_;

  logic::ElectionSettings election_settings_;
  logic::ElectionMemory election_memory_;
  bool claiming_ = false;
  Instant claim_not_before_ = 0;

  logic::RoleSettings role_settings_;
  logic::RoleMemory role_memory_;
  std::vector<logic::RoleHookAnswered> role_answers_;
  std::optional<bool> vacated_;
  bool publishing_ = false;
  bool give_up_asked_ = false;
};

}  // namespace pvcd::sim
