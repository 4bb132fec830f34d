// What a node does about one VM, step by step, whatever the answers are.

#include "logic/agent.hpp"

#include <catch2/catch.hpp>

#include "logic/agent_vm.hpp"
#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::mail;
using test::web;
using test::World;

namespace {

constexpr Process qemu{500, 9};
const ClientInstance instance{"vms/disk1", "10.0.0.2:0/77"};

// The agent of n2. What it writes is seen in the next round; what it asks plugins is answered by the test.
struct Agent {
  World world;
  AgentSettings settings{{"rbd-locks"}, seconds(180), seconds(1), seconds(60)};
  AgentMemory memory;
  Instant now = seconds(1000);
  bool may_act = true;
  bool stopping = false;
  bool domains_ready = true;
  std::map<VmUuid, DomainState> domains;
  std::vector<AgentAnswer> answers;
  std::vector<AgentAction> actions;

  Agent& round() {
    AgentPlan plan = decide_agent({world.view, world.life("n2"), {"10.0.0.2"}, may_act, stopping, domains, domains_ready, now,
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
  Agent& wait_verdict(Microseconds time) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = Verdict::Wait;
    verdict.reason = "its watch may still run out";
    verdict.wait_for = "vms/disk1 10.0.0.2:0/3";
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
  // The store took what the agent wrote.
  Agent& written() {
    const auto* write = plans<WriteRun>();
    REQUIRE(write);
    const Version version = write->replaces ? *write->replaces + 1 : 40;
    if (write->owner) world.view.owners[web] = {*write->owner, world.view.owners.at(web).version + 1};
    world.view.runs[web] = {write->record, version};
    return answer(Written{true, ""});
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

}  // namespace

// ------------------------------------------------------------------------------------------------------------------ start

TEST_CASE("a start goes probe, hooks, create paused, identify, record, resume, record: in this order and one at a time") {
  Owner it;
  it.world.view.owners.at(web).value.former = {Writer{{"n3", "boot-n3-0", 1}, 2, {"10.0.0.3"}, {}, CoverKind::Power}};
  REQUIRE(it.plans<Probe>());
  CHECK(it.plans<Probe>()->request.recorded.empty());
  it.gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->hook == "rbd-locks");
  const VmStart start = it.plans<RunHook>()->request;
  CHECK(start.generation == 3);
  CHECK(start.self == it.world.life("n2"));
  CHECK(start.own_addresses == std::vector<std::string>{"10.0.0.2"});
  CHECK(start.covered.size() == 1);
  CHECK(start.own_dead.empty());
  CHECK(start.living == std::map<NodeName, std::vector<std::string>>{{"n1", {"10.0.0.1"}}, {"n3", {"10.0.0.3"}}});
  CHECK(start.disks == it.world.vm(web).disks);
  const ClientInstance dead{"vms/disk1", "10.0.0.3:0/1"};
  it.proceed({dead});
  REQUIRE(it.plans<CreateDomain>());
  CHECK(it.plans<CreateDomain>()->request.generation == 3);
  CHECK(it.plans<CreateDomain>()->request.xml == "<domain/>");
  it.created();
  REQUIRE(it.plans<IdentifyInstances>());
  CHECK(it.plans<IdentifyInstances>()->request.present == std::vector<ClientInstance>{dead});
  it.identified();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  CHECK(it.plans<WriteRun>()->record.process == qemu);
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance, dead});
  CHECK(it.plans<WriteRun>()->record.generation == 3);
  CHECK(it.plans<WriteRun>()->owner_version == 23);
  CHECK_FALSE(it.plans<WriteRun>()->owner);
  it.written();
  REQUIRE(it.plans<ResumeDomain>());
  CHECK(it.plans<ResumeDomain>()->request.process == qemu);
  it.resumed();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
  CHECK(it.plans<WriteRun>()->record.instances.size() == 2);
  REQUIRE(it.plans<WriteRun>()->owner);
  CHECK(it.plans<WriteRun>()->owner->former.empty());  // their locks were broken on the way here
  it.written();
  CHECK(it.idle());
  CHECK(it.step() == Step::Running);
}

TEST_CASE("while an act is under way nothing else is begun") {
  Owner it;
  REQUIRE(it.plans<Probe>());
  CHECK(it.wait(seconds(60)).idle());
}

TEST_CASE("a lost node is not named as living, so that nobody asks it for a release") {
  Agent it;
  it.world.own(web, "n2");
  it.world.lose("n3");
  it.round().gone();
  CHECK_FALSE(it.plans<RunHook>()->request.living.contains("n3"));
}

TEST_CASE("every hook must say Proceed, in the configured order") {
  Owner it;
  it.settings.hooks = {"first", "second"};
  it.gone();
  CHECK(it.plans<RunHook>()->hook == "first");
  it.proceed();
  CHECK(it.plans<RunHook>()->hook == "second");
  CHECK_FALSE(it.plans<CreateDomain>());
  SECTION("the twin: both do") {
    it.proceed();
    CHECK(it.plans<CreateDomain>());
  }
  SECTION("the second refuses; the next try begins with the first") {
    it.verdict(Verdict::Refuse, "no").written();
    it.wait(seconds(1)).gone();
    CHECK(it.plans<RunHook>()->hook == "first");
  }
}

TEST_CASE("each hook is asked for the instances: the one that guards storage need not be the first") {
  Owner it;
  it.settings.hooks = {"first", "rbd-locks"};
  it.gone().proceed().proceed().created();
  CHECK(it.plans<IdentifyInstances>()->hook == "first");
  it.answer(Identified{Outcome::Done, {}, ""});
  CHECK(it.plans<IdentifyInstances>()->hook == "rbd-locks");
  it.identified();
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
}

TEST_CASE("without a hook or without RBD disks there are no instances to record") {
  Owner it;
  SECTION("no hook") { it.settings.hooks.clear(); }
  SECTION("no RBD disk") { it.world.vm(web).disks[0].kind = DiskKind::Local; }
  it.gone();
  if (!it.settings.hooks.empty()) it.proceed();
  it.created();
  CHECK(it.plans<WriteRun>()->record.instances.empty());
}

// -------------------------------------------------------------------------------------------------------- hooks that say no

TEST_CASE("nothing but Proceed starts a VM: a refusal, no answer and a wait are recorded at once, with the next attempt's number") {
  const auto [kind, part] = GENERATE(table<Verdict, std::string>({
      {Verdict::Refuse, "locked by client.4"},
      {Verdict::Unknown, "hook rbd-locks gave no answer: locked by client.4"},  // absent, hung and timed out too
      {Verdict::Wait, "waiting for "},
  }));
  Owner it;
  it.gone();
  kind == Verdict::Wait ? it.wait_verdict(seconds(35)) : it.verdict(kind, "locked by client.4");
  CHECK_FALSE(it.plans<CreateDomain>());
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.attempt == 1);
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  CHECK(it.plans<WriteRun>()->record.reason.find(part) == 0);
  CHECK_FALSE(it.plans<WriteRun>()->record.process);
  it.written();
  CHECK(it.idle());
  it.wait(kind == Verdict::Wait ? seconds(35) : seconds(1)).gone();
  REQUIRE(it.plans<RunHook>());
  it.verdict(Verdict::Refuse, "still");
  CHECK(it.plans<WriteRun>()->record.attempt == 2);
}

TEST_CASE("refusals are asked again with back-off up to a limit, and the back-off ends with a success") {
  Owner it;
  Microseconds expected = seconds(1);
  for (int i = 0; i < 9; ++i) {
    it.gone().verdict(Verdict::Refuse, "no").written();
    CHECK(it.wait(expected - 1).idle());
    it.wait(1);
    expected = std::min(expected * 2, seconds(60));
  }
  it.gone().proceed().created().identified().written().resumed().written();
  it.domains[web] = DomainState::Gone;
  it.round().gone().verdict(Verdict::Refuse, "no").written();
  CHECK(it.wait(seconds(1) - 1).idle());
  CHECK_FALSE(it.wait(1).idle());
}

TEST_CASE("a wait keeps when it was first heard of over retries, so that it ends (rule 6)") {
  Owner it;
  it.gone();
  CHECK(it.plans<RunHook>()->request.first_seen.empty());
  it.wait_verdict(seconds(35)).written();
  CHECK(it.wait(seconds(35) - 1).idle());
  it.wait(1).gone();
  REQUIRE(it.plans<RunHook>()->request.first_seen.size() == 1);
  CHECK(it.plans<RunHook>()->request.first_seen[0].wait_for == "vms/disk1 10.0.0.2:0/3");
  CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(35));
  SECTION("asked again not before the limit between retries, even when the time is over") {
    it.wait_verdict(seconds(35)).written();
    CHECK(it.wait(seconds(1) - 1).idle());
    it.wait(1).gone();
    CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(36));
  }
  SECTION("forgotten when it has run") {
    it.proceed().created().identified().written().resumed().written();
    CHECK(it.memory.vms.at(web).first_seen.empty());
  }
}

TEST_CASE("what an earlier QEMU of this node left behind is kept on record over refusals, and named dead to the hook (rule 17)") {
  Agent it;
  it.world.own(web, "n2", 2);
  it.world.run(web, VmState::Running).life.boot = "boot-n2-0";
  it.world.own(web, "n2", 3).former = {Writer{{"n2", "boot-n2-0", 1}, 1, {}, {{"vms/disk1", "10.0.0.2:0/5"}}, CoverKind::LaterBoot},
                                       Writer{{"n3", "boot-n3-0", 1}, 1, {}, {{"vms/disk1", "10.0.0.3:0/5"}}, CoverKind::Power}};
  it.round();
  CHECK(it.plans<Probe>()->request.recorded.empty());  // of an older boot: no process can be left
  it.gone();
  CHECK(it.plans<RunHook>()->request.own_dead ==
        std::vector<ClientInstance>{{"vms/disk1", "10.0.0.2:0/1"}, {"vms/disk1", "10.0.0.2:0/5"}});
  it.verdict(Verdict::Refuse, "no");
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{{"vms/disk1", "10.0.0.2:0/1"}});
  CHECK(it.plans<WriteRun>()->record.generation == 3);
}

TEST_CASE("instances of another node are neither named as ours nor copied") {
  Agent it;
  it.world.own(web, "n3", 2);
  it.world.run(web);
  it.world.own(web, "n2", 3);
  it.round().gone();
  CHECK(it.plans<RunHook>()->request.own_dead.empty());
  it.verdict(Verdict::Refuse, "no");
  CHECK(it.plans<WriteRun>()->record.instances.empty());
}

TEST_CASE("a refusal that names a living node's dead instance becomes one request to that node (rule 7)") {
  Owner it;
  it.gone().verdict(Verdict::Refuse, "locked by a dead client of n3", "n3").written();
  REQUIRE(it.plans<AskRelease>());
  CHECK(it.plans<AskRelease>()->node == "n3");
  CHECK(it.plans<AskRelease>()->vm == web);
  JobRecord& job = it.world.job(1, "node-release-images", "n3", {{"vm", web}});
  it.wait(seconds(1)).gone().verdict(Verdict::Refuse, "locked by a dead client of n3", "n3").written();
  CHECK_FALSE(it.plans<AskRelease>());  // asked already
  SECTION("its answer is a reason to try at once") {
    CHECK(it.round().idle());
    job.state = JobState::Finished;
    job.result = JobResult::Done;
    it.round().looks();
  }
  SECTION("its refusal is none: the two would only ask each other") {
    job.state = JobState::Finished;
    job.result = JobResult::Refused;
    CHECK(it.round().idle());
  }
  SECTION("an answer about another VM, or another kind of job, is none") {
    it.world.job(2, "node-release-images", "n3", {{"vm", mail}}, JobState::Finished).result = JobResult::Done;
    it.world.job(3, "node-release-images", "n3", {}, JobState::Finished).result = JobResult::Done;
    it.world.job(4, "vm-start", web, {{"vm", web}}, JobState::Finished).result = JobResult::Done;
    CHECK(it.round().idle());
  }
  SECTION("a request about another VM does not count as asked") {
    job.arguments["vm"] = mail;
    it.wait(seconds(2)).gone().verdict(Verdict::Refuse, "locked by a dead client of n3", "n3").written();
    CHECK(it.plans<AskRelease>());
  }
  SECTION("nobody is asked when nobody is named") {
    it.wait(seconds(2)).gone().verdict(Verdict::Refuse, "locked by client.4").written();
    CHECK_FALSE(it.plans<AskRelease>());
  }
}

// ---------------------------------------------------------------------------------------------- a start that does not succeed

TEST_CASE("not knowing whether it runs here starts nothing, says so, and is asked again (rule 3)") {
  Owner it;
  it.answer(DomainProbe{DomainState::Unknown, std::nullopt, "plugin libvirt: timeout"});
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == "it is not known whether it runs here: plugin libvirt: timeout");
  CHECK(it.plans<WriteRun>()->record.attempt == 1);
  it.written();
  CHECK(it.idle());
  it.wait(seconds(1)).looks().gone();
  CHECK(it.plans<RunHook>());
}

TEST_CASE("a create that libvirt refused or did not answer is recorded and looked at again") {
  const auto [answer, reason] = GENERATE(table<CreateAnswer, std::string>({
      {{Outcome::Refused, std::nullopt, "bad XML"}, "libvirt did not create it: bad XML"},
      {{Outcome::Unknown, std::nullopt, "timeout"}, "the hypervisor gave no answer: timeout"},
      {{Outcome::Unknown, qemu, "timeout"}, "the hypervisor gave no answer: timeout"},
      {{Outcome::Done, std::nullopt, "odd"}, "the hypervisor gave no answer: odd"},
  }));
  Owner it;
  it.gone().proceed();
  REQUIRE(it.plans<CreateDomain>());
  it.answer(answer);
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == reason);
  it.written().wait(seconds(1)).looks().found(DomainState::Paused);
  CHECK(it.plans<DestroyDomain>());  // it was created after all: its CPUs never ran
}

TEST_CASE("without a record of its instances the CPUs do not run: the paused QEMU is destroyed (rule 17)") {
  Owner it;
  it.gone().proceed().created();
  it.answer(Identified{Outcome::Unknown, {}, "Ceph does not answer"});
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == "its Ceph client instances are not known: Ceph does not answer");
  it.written().wait(seconds(1)).found(DomainState::Paused);
  REQUIRE(it.plans<DestroyDomain>());
  CHECK(it.plans<DestroyDomain>()->request.process == qemu);
  it.act_done().looks().gone();
  CHECK(it.plans<RunHook>());  // from the beginning
}

TEST_CASE("when the record of the start is refused by the store, the CPUs do not run") {
  Owner it;
  it.gone().proceed().created().identified().refused_by_store();
  CHECK(it.idle());
  it.wait(seconds(1)).found(DomainState::Paused);
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE("a resume without an answer is looked at: running is recorded, paused is started anew") {
  Owner it;
  it.gone().proceed().created().identified().written();
  REQUIRE(it.plans<ResumeDomain>());
  it.answer(Answer{GENERATE(Outcome::Unknown, Outcome::Refused), "timeout"});
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == "timeout");
  CHECK(it.plans<WriteRun>()->record.process == qemu);  // what was recorded of it is kept
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  it.written().wait(seconds(1)).looks();
  CHECK(it.plans<Probe>()->request.recorded == std::vector<Process>{qemu});
  SECTION("running") {
    it.found(DomainState::Running);
    CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
    CHECK(it.plans<WriteRun>()->record.reason.empty());
    CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  }
  SECTION("paused") {
    it.found(DomainState::Paused);
    CHECK(it.plans<DestroyDomain>());
  }
}

TEST_CASE("a record of running that the store did not take is made again from what is seen") {
  Owner it;
  it.gone().proceed().created().identified().written().resumed().refused_by_store();
  it.wait(seconds(1)).found(DomainState::Running);
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
}

TEST_CASE("a paused leftover that cannot be destroyed is recorded and tried again") {
  Restarted it(VmState::Starting, DomainState::Paused);
  it.found(DomainState::Paused);
  REQUIRE(it.plans<DestroyDomain>());
  it.answer(Answer{Outcome::Unknown, "it hangs in the kernel"});
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == "it hangs in the kernel");
  CHECK(it.plans<WriteRun>()->record.process == qemu);
  it.written();
  CHECK(it.idle());
  it.wait(seconds(1)).looks();
}

// -------------------------------------------------------------------------------------------------------- changes mid-start

TEST_CASE("a change of the generation in the middle of a start begins it again, whatever step it was in") {
  const int steps = GENERATE(0, 1, 2, 3, 4);
  Owner it;
  it.gone();
  if (steps > 0) it.proceed();
  if (steps > 1) it.created();
  if (steps > 2) it.identified();
  if (steps > 3) it.written();
  it.world.view.owners.at(web).value.generation = 4;
  // The answer to what was under way comes, and does not lead to the next step of the old start.
  if (steps == 0) it.proceed();
  if (steps == 1) it.created();
  if (steps == 2) it.identified();
  if (steps == 3) it.refused_by_store();
  if (steps == 4) it.resumed();
  it.looks();
}

TEST_CASE("a VM that is not wanted any more in the middle of its start is not started but stopped") {
  Owner it;
  it.gone().proceed();
  it.world.vm(web).wanted = WantedState::Stopped;
  it.created().looks().found(DomainState::Paused);
  CHECK(it.plans<DestroyDomain>());
  it.domains.erase(web);
  it.act_done().gone();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->owner->released);
}

TEST_CASE("a stop does not wait for the back-off of the start") {
  Owner it;
  it.gone().wait_verdict(seconds(35)).written();
  CHECK(it.idle());
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().looks();
}

TEST_CASE("when this boot is declared dead in the middle of a start, nothing is started and what is here is destroyed") {
  const int steps = GENERATE(0, 1, 2, 3, 4);
  Owner it;
  it.gone();
  if (steps > 0) it.proceed();
  if (steps > 1) it.created();
  if (steps > 2) it.identified();
  if (steps > 3) it.written();
  it.world.prove("n2", EvidenceKind::Operator);
  it.may_act = GENERATE(false, true);  // the proof may be young still
  if (steps == 0) it.proceed();
  if (steps == 1) it.created();
  if (steps == 2) it.identified();
  if (steps == 3) it.refused_by_store();
  if (steps == 4) it.resumed();
  it.looks().found(DomainState::Paused);
  CHECK(it.plans<DestroyDomain>());
  it.act_done().gone();
  CHECK(it.idle());
  CHECK(it.wait(seconds(60)).idle());
}

TEST_CASE("a daemon that leaves begins nothing new, but ends what is half-way; VMs run on (rule 11)") {
  Owner it;
  SECTION("it was asking hooks") {
    it.gone();
    it.stopping = true;
    it.proceed().gone();
    CHECK(it.idle());
    CHECK(it.wait(seconds(60)).idle());
  }
  SECTION("its QEMU was created") {
    it.gone().proceed().created();
    it.stopping = true;
    it.identified();
    CHECK(it.plans<WriteRun>());
  }
  SECTION("it had not begun") {
    it.stopping = true;
    it.gone();
    CHECK(it.idle());
    it.stopping = false;
    it.round();
    CHECK(it.plans<RunHook>());
  }
  SECTION("a stop is not begun either") {
    it.world.vm(web).wanted = WantedState::Stopped;
    it.stopping = true;
    it.found(DomainState::Running).found(DomainState::Running);
    CHECK(it.idle());
  }
  SECTION("nor is another node helped") {
    it.world.own(web, "n3", 4);
    it.world.job(1, "node-release-images", "n2", {{"vm", web}});
    it.stopping = true;
    it.gone().gone();
    CHECK(it.idle());
  }
}

// --------------------------------------------------------------------------------------------------------------- restarts

TEST_CASE("after a restart everything begins with a look, also at the recorded process (rule 3)") {
  Restarted it(VmState::Running);
  it.looks();
  CHECK(it.plans<Probe>()->request.recorded == std::vector<Process>{qemu});
  SECTION("it runs as recorded: it is adopted without a word") {
    it.found(DomainState::Running);
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("a person has paused it: it is left as it is") {
    it.found(DomainState::Paused);
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("it is gone: it is started through the hooks, which learn of its dead instance") {
    it.gone();
    CHECK(it.plans<RunHook>()->request.own_dead == std::vector<ClientInstance>{instance});
  }
  SECTION("its record carries a trouble that is over: it is written anew") {
    it.world.view.runs.at(web).value.reason = "it is not known whether it runs here";
    it.found(DomainState::Running);
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->record.reason.empty());
    CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  }
}

TEST_CASE("a paused leftover of an interrupted start is destroyed and started through the hooks again (rule 17)") {
  SECTION("its start was recorded") {
    Restarted it(VmState::Starting, DomainState::Paused);
    it.found(DomainState::Paused);
    CHECK(it.plans<DestroyDomain>());
    it.domains.erase(web);
    it.act_done().gone();
    CHECK(it.plans<RunHook>());
  }
  SECTION("its record is of an older generation, which ran: that is not about this QEMU") {
    Agent it;
    it.world.own(web, "n3", 2);
    it.world.run(web, VmState::Running);
    it.world.own(web, "n2", 3);
    it.round().found(DomainState::Paused);
    CHECK(it.plans<DestroyDomain>());
  }
  SECTION("its record names another process") {
    Restarted it(VmState::Running, DomainState::Paused);
    it.found(DomainState::Paused, {501, 10});
    CHECK(it.plans<DestroyDomain>());
  }
}

TEST_CASE("a QEMU that runs with a recorded start is recorded running with the instances of the record") {
  Restarted it(VmState::Starting);
  it.found(DomainState::Running);
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
}

TEST_CASE("a QEMU that runs here unrecorded is adopted: identified and recorded, never started beside") {
  Agent it;
  it.world.own(web, "n2", 3);
  it.round().found(DomainState::Running);
  CHECK_FALSE(it.plans<RunHook>());
  it.identified();
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  it.written().resumed();
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
}

TEST_CASE("an adopted QEMU whose instances are not known runs on and is asked about again") {
  Agent it;
  it.world.own(web, "n2", 3);
  it.round().found(DomainState::Running);
  it.answer(Identified{Outcome::Unknown, {}, "Ceph does not answer"}).written();
  CHECK(it.idle());
  it.wait(seconds(1)).found(DomainState::Running);
  CHECK(it.plans<IdentifyInstances>());
  CHECK_FALSE(it.plans<DestroyDomain>());
}

TEST_CASE("a new session of the same boot adopts its VMs in a transaction before anything else") {
  Restarted it(VmState::Running);
  it.found(DomainState::Running);
  it.world.join("n2", 1, 2);
  it.round();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->owner->owner == Life{"n2", "boot-n2-1", 2});
  CHECK(it.plans<WriteRun>()->owner->generation == 3);
  CHECK(it.plans<WriteRun>()->record.life.incarnation == 2);
  CHECK(it.plans<WriteRun>()->record.process == qemu);
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  SECTION("the store takes it") {
    it.written().found(DomainState::Running);
    CHECK(it.idle());
  }
  SECTION("the store does not: again, a little later") {
    it.refused_by_store();
    CHECK(it.idle());
    it.wait(seconds(1));
    CHECK(it.plans<WriteRun>());
  }
}

TEST_CASE("adopting again does not take another node's record for its own") {
  Agent it;
  it.world.own(web, "n3", 2);
  it.world.run(web).attempt = 4;
  it.world.own(web, "n2", 3);
  it.world.join("n2", 1, 2);
  it.round();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.generation == 3);
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  CHECK_FALSE(it.plans<WriteRun>()->record.process);
  CHECK(it.plans<WriteRun>()->record.instances.empty());
  CHECK(it.plans<WriteRun>()->record.attempt == 4);
}

TEST_CASE("a VM of an older boot of this node is not started on its own before it is assigned (scenario F7)") {
  Restarted it(VmState::Running);
  it.world.join("n2", 2, 2);
  it.memory = {};
  it.domains.clear();
  it.answers.clear();
  it.round().gone();
  CHECK(it.idle());
  CHECK(it.wait(seconds(600)).idle());
}

// --------------------------------------------------------------------------------------------------------- while it runs

TEST_CASE("a QEMU that is reported gone is probed, and restarted only when the probe says so") {
  RunningVm it;
  it.domains[web] = DomainState::Gone;
  if (GENERATE(true, false)) it.domains.erase(web);  // not on the complete list: it died while nobody listened
  it.round().looks();
  SECTION("it is gone") {
    it.gone();
    CHECK(it.plans<RunHook>());
  }
  SECTION("it lives, whatever libvirt says: one look is enough") {
    it.found(DomainState::Running);
    CHECK(it.idle());
    CHECK(it.wait(seconds(60)).idle());
    it.domains[web] = DomainState::Running;
    CHECK(it.round().idle());
    it.domains[web] = DomainState::Gone;
    it.round().looks();  // a new fact, a new look
  }
  SECTION("it cannot be said: its record keeps what it runs as") {
    it.answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
    CHECK(it.plans<WriteRun>()->record.process == qemu);
    CHECK(it.plans<WriteRun>()->record.reason.find("not known") != std::string::npos);
  }
}

TEST_CASE("a VM that runs as wanted is left in peace, whatever else the facts say") {
  RunningVm it;
  it.domains[web] = GENERATE(DomainState::Running, DomainState::Paused, DomainState::Unknown);
  CHECK(it.wait(seconds(3600)).idle());
}

// ------------------------------------------------------------------------------------------------------------------- stop

TEST_CASE("a stop asks the guest, waits, breaks what is left and releases") {
  RunningVm it;
  it.world.vm(web).wanted = GENERATE(WantedState::Stopped, WantedState::Disabled);
  it.round().looks().found(DomainState::Running);
  REQUIRE(it.plans<ShutdownDomain>());
  CHECK(it.plans<ShutdownDomain>()->request.process == qemu);
  it.act_done();
  CHECK(it.idle());
  CHECK(it.wait(seconds(179)).idle());
  it.domains[web] = DomainState::Gone;
  it.round().gone();
  REQUIRE(it.plans<AfterStop>());
  CHECK(it.plans<AfterStop>()->request.own_dead == std::vector<ClientInstance>{instance});
  CHECK(it.plans<AfterStop>()->request.own_addresses == std::vector<std::string>{"10.0.0.2"});
  it.act_done();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Stopped);
  CHECK(it.plans<WriteRun>()->record.instances.empty());
  CHECK_FALSE(it.plans<WriteRun>()->record.process);
  CHECK(it.plans<WriteRun>()->owner->released);
  CHECK(it.plans<WriteRun>()->owner->generation == 3);
  it.written().gone();
  CHECK(it.idle());
}

TEST_CASE("a guest that does not shut down in time is destroyed, whatever the answer to the request was") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running);
  it.answer(Answer{GENERATE(Outcome::Done, Outcome::Refused, Outcome::Unknown), ""});
  CHECK(it.wait(seconds(180)).idle());
  it.wait(1);
  REQUIRE(it.plans<DestroyDomain>());
  it.act_done().looks();
}

TEST_CASE("a stop at once does not ask the guest, also when it was being asked (scenario F5)") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  SECTION("at once") {
    it.world.vm(web).off_at_once = true;
    it.round().found(DomainState::Running);
    CHECK_FALSE(it.plans<ShutdownDomain>());
  }
  SECTION("shortened") {
    it.round().found(DomainState::Running).act_done();
    it.world.vm(web).off_at_once = true;
    it.round();
  }
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE("a wrong report that the guest has gone does not lengthen its time, nor ask it again") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running).act_done();
  it.domains.erase(web);
  it.wait(seconds(100)).found(DomainState::Running);
  CHECK(it.idle());
  CHECK(it.wait(seconds(80)).idle());
  it.wait(1);
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE("a guest that is wanted again while it shuts down is waited for, then started") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running).act_done();
  it.world.vm(web).wanted = WantedState::Running;
  CHECK(it.round().idle());
  SECTION("it goes") {
    it.domains[web] = DomainState::Gone;
    it.round().gone();
    CHECK(it.plans<RunHook>());
  }
  SECTION("it ignores the request: it runs on, and is not destroyed") {
    it.wait(seconds(181)).looks().found(DomainState::Running);
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("it is not wanted once more: it is asked again, with the full time") {
    it.world.vm(web).wanted = WantedState::Stopped;
    it.wait(seconds(100)).found(DomainState::Running);
    CHECK(it.plans<ShutdownDomain>());
  }
}

TEST_CASE("a release leaves nothing behind: while Ceph is silent it is pending, says so and is tried again (rule 7)") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.domains[web] = DomainState::Gone;
  it.round().gone();
  REQUIRE(it.plans<AfterStop>());
  it.answer(Answer{GENERATE(Outcome::Unknown, Outcome::Refused), "Ceph does not answer"});
  REQUIRE(it.plans<WriteRun>());
  CHECK_FALSE(it.plans<WriteRun>()->owner);
  CHECK(it.plans<WriteRun>()->record.reason == "the release is pending: Ceph does not answer");
  CHECK(it.plans<WriteRun>()->record.attempt == 1);
  CHECK(it.plans<WriteRun>()->record.state == VmState::Stopped);
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  it.written();
  CHECK(it.idle());
  it.wait(seconds(1)).gone();
  REQUIRE(it.plans<AfterStop>());
  it.act_done();
  CHECK(it.plans<WriteRun>()->owner->released);
}

TEST_CASE("instances are broken although the VM has no RBD disk any more, by each hook") {
  RunningVm it;
  it.settings.hooks = {"first", "second"};
  it.world.vm(web).disks.clear();
  it.world.vm(web).wanted = WantedState::Stopped;
  it.domains[web] = DomainState::Gone;
  it.round().gone();
  CHECK(it.plans<AfterStop>()->hook == "first");
  it.act_done();
  CHECK(it.plans<AfterStop>()->hook == "second");
  it.act_done();
  CHECK(it.plans<WriteRun>()->owner->released);
}

TEST_CASE("a VM that never got an instance is released without asking Ceph") {
  Owner it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.gone().gone();  // the first look was for the start
  CHECK(it.plans<WriteRun>()->owner->released);
}

TEST_CASE("a VM that is wanted again before its release is written is started and not released") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.domains[web] = DomainState::Gone;
  it.round().gone();
  it.world.vm(web).wanted = WantedState::Running;
  it.act_done().gone();
  CHECK_FALSE(it.plans<WriteRun>());
  CHECK(it.plans<RunHook>());
}

TEST_CASE("a destroy that did not end the process is recorded, and nothing is released") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.vm(web).off_at_once = true;
  it.round().found(DomainState::Running);
  it.answer(Answer{Outcome::Unknown, "it hangs in the kernel"});
  REQUIRE(it.plans<WriteRun>());
  CHECK_FALSE(it.plans<WriteRun>()->owner);
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
  CHECK(it.plans<WriteRun>()->record.reason == "it hangs in the kernel");
  it.written().wait(seconds(1)).found(DomainState::Running);
  CHECK(it.plans<DestroyDomain>());
}

// ------------------------------------------------------------------------------------------------------------ declared dead

TEST_CASE("a boot that was declared dead destroys what runs here, without a right to act, and writes nothing (no merging)") {
  RunningVm it;
  it.world.prove("n2");
  it.world.own(web, "n3", 4);
  it.may_act = false;
  it.round().looks().found(DomainState::Running);
  REQUIRE(it.plans<DestroyDomain>());
  CHECK(it.actions.size() == 1);
  SECTION("gone") {
    it.domains.erase(web);
    it.act_done().gone();
    CHECK(it.idle());
  }
  SECTION("not gone: again later") {
    it.answer(Answer{Outcome::Unknown, "it hangs"});
    CHECK(it.idle());
    it.wait(seconds(1)).found(DomainState::Running);
    CHECK(it.plans<DestroyDomain>());
  }
  SECTION("not known: again later") {
    it.act_done();
    it.answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
    CHECK(it.idle());
    it.wait(seconds(1)).looks();
  }
}

TEST_CASE("a guest that shuts down while this boot is declared dead is not waited for") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running).act_done();
  it.world.prove("n2");
  it.round().found(DomainState::Running);
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE("a domain that no record ties to this node is seen as well when this boot is declared dead") {
  Agent it;
  it.world.own(web, "n3", 4);
  it.domains[web] = DomainState::Running;
  SECTION("the twin with no evidence: it is left alone, its watcher makes every start elsewhere refuse") {
    it.round().found(DomainState::Running);
    CHECK(it.idle());
  }
  SECTION("declared dead") {
    it.world.prove("n2");
    it.round().found(DomainState::Running);
    CHECK(it.plans<DestroyDomain>());
  }
}

TEST_CASE("without proof of its session, half a view or the hypervisor's list nothing is done (S5)") {
  Agent it;
  it.world.own(web, "n2", 3);
  SECTION("no proof") { it.may_act = false; }
  SECTION("half a view") { it.world.view.complete = false; }
  SECTION("no list") { it.domains_ready = false; }
  SECTION("the twin") {
    it.round().looks();
    return;
  }
  CHECK(it.round().idle());
}

TEST_CASE("a proof lost in the middle of a start stops it where it is, and it goes on with the proof") {
  Owner it;
  it.gone();
  it.may_act = false;
  it.proceed();
  CHECK(it.idle());
  it.may_act = true;
  it.round();
  CHECK(it.plans<CreateDomain>());
}

// ------------------------------------------------------------------------------------------------------------ help release

TEST_CASE("a node that is asked breaks its own dead instances through the hook and answers (rule 7)") {
  Agent it;
  it.world.own(web, "n2", 2);
  it.world.run(web, VmState::Stopped);
  it.world.own(web, "n3", 3);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->request.own_dead.size() == 1);
  CHECK(it.plans<RunHook>()->request.covered.empty());  // it does not own it: it may break nothing of others
  SECTION("done") {
    it.proceed();
    CHECK_FALSE(it.plans<CreateDomain>());
    REQUIRE(it.plans<FinishJob>());
    CHECK(it.plans<FinishJob>()->record.result == JobResult::Done);
    CHECK(it.plans<FinishJob>()->version == 81);
  }
  SECTION("refused") {
    it.verdict(GENERATE(Verdict::Refuse, Verdict::Unknown), "somebody lives");
    REQUIRE(it.plans<FinishJob>());
    CHECK(it.plans<FinishJob>()->record.result == JobResult::Refused);
    CHECK(it.plans<FinishJob>()->record.message.find("somebody lives") != std::string::npos);
    CHECK_FALSE(it.plans<WriteRun>());
    SECTION("and asked once more, it forgets the refusal") {
      it.answer(Written{true, ""});
      it.wait(seconds(60)).gone().proceed();
      CHECK(it.plans<FinishJob>()->record.result == JobResult::Done);
    }
  }
  SECTION("a wait is waited for, and remembered: the asker would only ask again (rule 6)") {
    it.wait_verdict(seconds(35));
    CHECK(it.idle());
    CHECK(it.wait(seconds(35) - 1).idle());
    it.wait(1).gone();
    CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(35));
    it.proceed();
    CHECK(it.plans<FinishJob>());
  }
  SECTION("its request is withdrawn meanwhile") {
    it.world.view.jobs.clear();
    it.proceed().gone();
    CHECK(it.idle());
  }
  SECTION("the store does not take the answer: it begins again") {
    it.proceed();
    it.answer(Written{false, "moved on"});
    CHECK(it.idle());
    it.wait(seconds(1)).looks();
  }
}

TEST_CASE("a node whose QEMU of that VM lives answers so and breaks nothing") {
  Agent it;
  it.world.own(web, "n3", 3);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().found(DomainState::Running);
  REQUIRE(it.plans<FinishJob>());
  CHECK(it.plans<FinishJob>()->record.result == JobResult::Refused);
  CHECK(it.plans<FinishJob>()->record.message == "QEMU 500 of vm1 lives on n2");
}

TEST_CASE("a node that cannot tell whether it lives answers so") {
  Agent it;
  it.world.own(web, "n3", 3);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
  REQUIRE(it.plans<FinishJob>());
  CHECK(it.plans<FinishJob>()->record.result == JobResult::Refused);
}

TEST_CASE("the owner itself is not helped by its own request: its start breaks what is in the way") {
  Owner it;
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.gone();
  it.proceed();
  CHECK(it.plans<CreateDomain>());
}

TEST_CASE("a request counts for the node it names while it is open and names a VM") {
  World world;
  JobRecord& job = world.job(1, "node-release-images", "n2", {{"vm", web}});
  CHECK(is_release_for(job, "n2"));
  SECTION("another node") { job.object = "n3"; }
  SECTION("finished") { job.state = JobState::Finished; }
  SECTION("no VM") { job.arguments.clear(); }
  SECTION("another job") { job.type = "vm-start"; }
  CHECK_FALSE(is_release_for(job, "n2"));
}

// ------------------------------------------------------------------------------------------------------------- whose VMs

TEST_CASE("a node looks after what it owns, what it ran, what runs here and what it is asked about; not after the rest") {
  Agent it;
  SECTION("owned") { it.world.own(web, "n2"); }
  SECTION("ran here") {
    it.world.own(web, "n2");
    it.world.run(web);
    it.world.own(web, "n3", 2);
  }
  SECTION("runs here") {
    it.world.own(web, "n3");
    it.domains[web] = DomainState::Running;
  }
  SECTION("asked about") {
    it.world.own(web, "n3");
    it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  }
  SECTION("nothing") {
    it.world.own(web, "n3");
    it.world.run(web);
    it.domains[web] = DomainState::Gone;
    it.domains[mail] = DomainState::Running;  // no VM of the cluster
    CHECK(it.round().idle());
    CHECK(it.memory.vms.empty());
    return;
  }
  it.round().looks();
}

TEST_CASE("a VM with a record that cannot be read is left alone") {
  Agent it;
  it.world.own(web, "n2");
  SECTION("its owner") { it.world.view.broken["/owners/" + web] = "no JSON"; }
  SECTION("its run") { it.world.view.broken["/runs/" + web] = "no JSON"; }
  CHECK(it.round().idle());
  it.world.view.broken.clear();
  it.round().looks();
}

TEST_CASE("an answer about a VM that was undefined meanwhile is dropped, and so is the memory of it") {
  Owner it;
  it.world.view.vms.clear();
  it.world.view.owners.clear();
  it.round();
  CHECK(it.memory.vms.contains(web));  // its probe is under way
  it.answer(DomainProbe{DomainState::Gone, std::nullopt, ""});
  CHECK(it.idle());
  CHECK(it.memory.vms.empty());
  it.answer(Answer{Outcome::Done, ""});  // nobody asked
  CHECK(it.idle());
}

TEST_CASE("what was found at rest is not trusted when the goal changes: it is looked at again (rule 3)") {
  Agent it;
  it.world.own(web, "n3", 3);
  it.domains[web] = DomainState::Running;
  it.round().found(DomainState::Running);
  CHECK(it.idle());
  it.world.own(web, "n2", 4);
  it.domains.clear();
  it.wait(seconds(3600)).looks().gone();
  CHECK(it.plans<RunHook>());
}
