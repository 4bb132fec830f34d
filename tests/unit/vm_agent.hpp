// The agent of n2 and its one VM, driven step by step: each helper answers what must have been asked.
#pragma once

#include <catch2/catch.hpp>

#include "logic/agent_vm.hpp"
#include "world.hpp"

namespace pvcd::logic::test {

inline constexpr Process qemu{500, 9};
inline const ClientInstance instance{"vms/disk1", "10.0.0.2:0/77"};

// The agent of n2. What it writes is seen in the next round; what it asks plugins is answered by the test.
struct Agent {
  World world;
  AgentSettings settings{{"rbd-locks"}, seconds(180), seconds(1), seconds(60)};
  AgentMemory memory{0, {}};  // of a process that has run for a while
  Instant now = seconds(1000);
  bool may_act = true;
  bool stopping = false;
  bool domains_ready = true;
  std::map<VmUuid, DomainState> domains;
  std::map<VmUuid, std::vector<PluggedImage>> images;
  std::vector<AgentAnswer> answers;
  std::vector<AgentAction> actions;

  Agent& round() {
    AgentPlan plan = decide_agent({world.view,
                                   world.life("n2"),
                                   {"10.0.0.2"},
                                   may_act,
                                   stopping,
                                   domains,
                                   domains_ready,
                                   images,
                                   now,
                                   std::exchange(answers, {})},
                                  settings, memory);
    memory = std::move(plan.next);
    actions = std::move(plan.actions);
    return *this;
  }
  Agent& answer(AgentResult result) {
    answers.push_back({web, std::move(result)});
    return round();
  }
  Agent& wait(Microseconds time) {
    now += time;
    return round();
  }
  bool idle() const { return actions.empty(); }
  Step step() const { return memory.vms.at(web).step; }

  template <class Act>
  const Act* plans() const {
    for (const AgentAction& action : actions)
      if (const auto* act = std::get_if<Act>(&action.act)) return act;
    return nullptr;
  }

  // Each answers what must have been asked.
  Agent& gone() {
    REQUIRE(plans<Probe>());
    return answer(DomainProbe{DomainState::Gone, std::nullopt, ""});
  }
  Agent& found(DomainState state, Process process = qemu) {
    REQUIRE(plans<Probe>());
    return answer(DomainProbe{state, process, ""});
  }
  Agent& proceed(std::vector<ClientInstance> present = {}) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = Verdict::Proceed;
    verdict.present = std::move(present);
    return answer(verdict);
  }
  Agent& verdict(Verdict kind, const std::string& reason, const NodeName& ask = {}) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = kind;
    verdict.reason = reason;
    verdict.ask = ask;
    return answer(verdict);
  }
  Agent& refused_here(const std::string& reason) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = Verdict::Refuse;
    verdict.reason = reason;
    verdict.elsewhere = true;
    return answer(verdict);
  }
  Agent& wait_verdict(Microseconds time, std::vector<std::string> wait_for = {"vms/disk1 10.0.0.2:0/3"}) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = Verdict::Wait;
    verdict.reason = "its watch may still run out";
    verdict.wait_for = std::move(wait_for);
    verdict.wait = time;
    return answer(verdict);
  }
  Agent& created() {
    REQUIRE(plans<CreateDomain>());
    domains[web] = DomainState::Paused;
    return answer(CreateAnswer{Outcome::Done, qemu, ""});
  }
  Agent& identified() {
    REQUIRE(plans<IdentifyInstances>());
    return answer(Identified{Outcome::Done, {instance}, ""});
  }
  Agent& act_done() { return answer(Answer{Outcome::Done, ""}); }
  Agent& resumed() {
    REQUIRE(plans<ResumeDomain>());
    domains[web] = DomainState::Running;
    return act_done();
  }
  // The store took what the agent wrote, and the view shows it.
  Agent& written() {
    const auto* write = plans<WriteRun>();
    REQUIRE(write);
    show(*write);
    return answer(Written{true, ""});
  }
  void show(const WriteRun& write) {
    const Version version = write.replaces ? *write.replaces + 1 : 40;
    if (write.owner) world.view.owners[web] = {*write.owner, world.view.owners.at(web).version + 1};
    world.view.runs[web] = {write.record, version};
  }
  // The QEMU has ended, and libvirt says so.
  Agent& crash() {
    domains[web] = DomainState::Gone;
    return round().gone();
  }
  Agent& refused_by_store() {
    REQUIRE(plans<WriteRun>());
    return answer(Written{false, "the records have moved on"});
  }
  // Only the probe has been asked for so far.
  Agent& looks() {
    REQUIRE(actions.size() == 1);
    REQUIRE(plans<Probe>());
    return *this;
  }
};

// n2 owns web1 at generation 3 and has looked at nothing.
struct Owner : Agent {
  Owner() {
    world.own(web, "n2", 3);
    round();
  }
};

struct RunningVm : Owner {
  RunningVm() { gone().proceed().created().identified().written().resumed().written(); }
};

// The daemon was restarted: memory is gone, the records and the domain are there.
struct Restarted : Agent {
  explicit Restarted(VmState recorded, DomainState domain = DomainState::Running) {
    world.own(web, "n2", 3);
    world.run(web, recorded).instances = {instance};
    domains[web] = domain;
    round();
  }
};

}  // namespace pvcd::logic::test
