// One VM in one round of the agent: which goal it has and which step comes next (agent_vm.cpp), which act a step is
// (agent_acts.cpp), what an answer means (agent_answers.cpp),
// and what was plugged into it meanwhile (agent_plugged.cpp).
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
  bool is_starting() const;       // has begun, and something of it is going on
  bool wants_to_start() const;    // would begin now, if it is its turn
  void advance(bool has_turn);    // plans the act of the step, if nothing is under way and its time has come

 private:
  // What is to be done.
  Goal goal() const;
  bool owns() const;
  bool is_own_run() const;                     // the run record is about this boot and the present generation
  const Seen<JobRecord>* release_job() const;  // one that is open and not answered yet
  Instant creates_end_at() const;              // one that was asked for and not answered may happen until then
  bool is_last_resort() const;                 // no other host is left to try
  bool has_failed() const { return memory_.failed_starts >= failed_starts_last_max; }

  // Which step comes next.
  void notice_goal();      // a new goal begins with a look
  void notice_releases();  // an answered release request is a reason to try at once
  bool sees_own_write();
  bool has_to_wait() const;
  void choose();  // at Idle: which way to go
  void choose_run();
  void choose_start();
  void choose_stop();
  void choose_give_back();
  void begin_anew();
  void forget_failed_starts();
  void await_turn();
  void await_shutdown();
  void rest();  // it runs as recorded
  bool may_be_gone();
  bool may_have_come();
  bool doubts(bool contradicted);  // the facts contradict what was found, and no probe since has said otherwise
  void go(Step);
  void start_over() { go(Step::Look); }
  void refuse(std::string reason, NodeName ask = {});
  void refuse_release(std::string reason);
  void retry_later();
  Microseconds backoff(std::uint32_t failures) const;

  // What was plugged in.
  bool is_dealt_with(const PluggedImage&) const;
  void notice_plugged();
  ImagesRequest plugged_request() const;
  void take_plugged(const Identified&);
  void end_plugging();
  void watch_on();  // it runs, or shuts down, as before

  // Which act a step is.
  void plan_step();
  void plan_create();
  void plan_write(WriteRun, std::string what, std::string because, std::vector<std::string> evidence = {});
  void plan_release();
  void plan_report();
  void plan(AgentAct, std::string what, std::string because, std::vector<std::string> evidence = {});
  bool asks(const std::string& hook) const;  // in this step
  bool has_more_hooks();                     // and moves on to the next one
  const std::string& hook() const { return settings_.hooks[memory_.hook]; }
  bool needs_storage_guard() const;  // has RBD disks
  ProbeRequest probe_request() const;
  VmStart start_request() const;
  std::vector<ClientInstance> own_dead() const;
  std::vector<FileSystem> file_systems() const;
  std::vector<FileSystem> known_file_systems() const;
  RunRecord run_record(VmState) const;
  RunRecord unstarted_record() const;
  RunRecord refusal_record() const;
  RunRecord turn_record() const;
  WriteRun write(RunRecord) const;
  WriteRun write(RunRecord, LinkKind) const;
  void ask_for_release();

  // What an answer means.
  void take_probe(const DomainProbe&);
  void take_gone();
  void take_crash(Microseconds ran);
  void take_verdict(const HookVerdict&);
  void take_wait(const HookVerdict&);
  Instant create_limit() const;
  void take_created(const CreateAnswer&);
  void note_failed_start(const std::string& because);
  void take_identified(const Identified&);
  void take_answer(const Answer&);
  void take_shutdown(const Answer&);
  void take_written(const Written&);

  const AgentInput& in_;
  const AgentSettings& settings_;
  const VmUuid& uuid_;
  VmMemory& memory_;
  std::vector<AgentAction>& actions_;
  bool has_turn_ = false;
  const VmRecord* vm_ = nullptr;
  const Seen<OwnerRecord>* owner_ = nullptr;
  const Seen<RunRecord>* run_ = nullptr;
};

}  // namespace pvcd::logic
