// One VM in one round of the agent: which goal it has, what an answer means, which act comes next.
#pragma once

#include <set>

#include "logic/agent.hpp"

namespace pvcd::logic {

// A job that asks this node to break its own dead instances of a VM's images (safety rule 7).
bool is_release_for(const JobRecord&, const NodeName&);

class AgentVm {
 public:
  AgentVm(const AgentInput&, const AgentSettings&, const VmUuid&, VmMemory&, std::vector<AgentAction>&);

  void take(const AgentResult&);  // moves the step on
  void advance();                 // plans the act of the step, if nothing is under way and its time has come

 private:
  Goal goal() const;
  bool owns() const;
  const Seen<JobRecord>* release_job() const;

  void notice_goal();      // a new goal begins with a look
  void notice_releases();  // an answered release request is a reason to try at once
  bool has_to_wait() const;
  void choose();  // at Idle: which way to go
  void choose_run();
  void choose_stop();
  void await_shutdown();
  void plan_step();

  void take_probe(const DomainProbe&);
  void take_verdict(const HookVerdict&);
  void take_created(const CreateAnswer&);
  void take_identified(const Identified&);
  void take_answer(const Answer&);
  void take_written(const Written&);

  void plan(AgentAct, std::string what, std::string because, std::vector<std::string> evidence = {});
  void refuse(std::string reason, NodeName ask = {});
  void go(Step);
  void retry_later();
  void start_over() { go(Step::Look); }

  bool may_be_gone();                // the facts say so, and no probe since has said otherwise
  bool needs_storage_guard() const;  // has RBD disks and a hook that guards them
  VmStart start_request() const;
  std::vector<ClientInstance> own_dead() const;
  bool is_own_run() const;  // the run record is about this boot and the present generation
  RunRecord run_record(VmState) const;
  RunRecord unstarted_record() const;
  RunRecord refusal_record() const;
  WriteRun write(RunRecord) const;
  void ask_for_release();

  const AgentInput& in_;
  const AgentSettings& settings_;
  const VmUuid& uuid_;
  VmMemory& memory_;
  std::vector<AgentAction>& actions_;
  const VmRecord* vm_ = nullptr;
  const Seen<OwnerRecord>* owner_ = nullptr;
  const Seen<RunRecord>* run_ = nullptr;
};

}  // namespace pvcd::logic
