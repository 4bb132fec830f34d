// A VM that libvirt refuses to create goes elsewhere, and a host starts only so many VMs at the same time.

#include "logic/explain.hpp"
#include "logic/transactions.hpp"
#include "logic/waiting.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

// n2 owns web1, and libvirt there does not create it.
struct Failing : Owner {
  Failing& refuses() {
    gone().proceed();
    REQUIRE(plans<CreateDomain>());
    answer(CreateAnswer{Outcome::Refused, std::nullopt, "no emulator"});
    return *this;
  }
  // A refusal that is recorded, and the wait after it.
  Failing& refuses_and_waits() {
    refuses();
    REQUIRE(plans<WriteRun>());
    CHECK_FALSE(plans<WriteRun>()->owner);
    written();
    const Instant next = memory.vms.at(web).not_before;
    wait(next - now);
    return *this;
  }
  Failing& gives_back() {
    refuses_and_waits().refuses();
    REQUIRE(memory.vms.at(web).goal == Goal::GiveBack);
    return *this;
  }
  Failing& is_last_resort() {
    world.view.owners.at(web).value.failed_on = {"n1", "n2"};
    return *this;
  }
  Failing& fails() {
    is_last_resort();
    for (std::uint32_t i = 1; i < failed_starts_last_max; ++i) refuses_and_waits();
    refuses();
    return *this;
  }
  const OwnerRecord& released() {
    REQUIRE(plans<WriteRun>());
    REQUIRE(plans<WriteRun>()->owner);
    CHECK(plans<WriteRun>()->owner->released);
    return *plans<WriteRun>()->owner;
  }
};

}  // namespace

// ---------------------------------------------------------------------------------------------------------- elsewhere

TEST_CASE("a VM that libvirt refuses is tried once more, then given back with the name of the host") {
  Failing it;
  it.world.view.owners.at(web).value.failed_on = {"n1"};
  it.gives_back().looks().gone();
  CHECK(it.released().failed_on == std::vector<NodeName>{"n1", "n2"});
  CHECK(it.plans<WriteRun>()->record.state == VmState::Stopped);
  CHECK(it.plans<WriteRun>()->record.reason ==
        "it could not be started on n2, tried 2 times: libvirt did not create it: no emulator");
  CHECK(it.plans<WriteRun>()->link->kind == LinkKind::Released);
  CHECK(it.plans<WriteRun>()->vm_version == it.world.view.vms.at(web).version);
  it.written().gone();
  CHECK(it.idle());
}

TEST_CASE("nothing but a refused create, and a hook that sends it elsewhere, counts") {
  Failing it;
  it.refuses_and_waits();
  bool counts = false;
  SECTION("the twin") {
    it.refuses();
    counts = true;
  }
  SECTION("a hook that refuses") { it.gone().verdict(Verdict::Refuse, "locked"); }
  SECTION("a hook that refuses for what this host lacks") {
    it.gone().refused_here("nothing is mounted");
    counts = true;
  }
  SECTION("no answer of the hypervisor") {
    it.gone().proceed();
    it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"});
  }
  SECTION("it lives here already") {
    it.gone().proceed();
    it.answer(CreateAnswer{Outcome::Refused, qemu, "it lives here already"});
  }
  SECTION("not known whether it runs here") { it.answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"}); }
  CHECK(it.memory.vms.at(web).goal == (counts ? Goal::GiveBack : Goal::Run));
  CHECK(it.memory.vms.at(web).failed_starts == (counts ? 2 : 1));
}

TEST_CASE("a refusal counts for who owns the VM when it comes") {
  Failing it;
  const bool by_hook = GENERATE(true, false), owned = GENERATE(true, false);
  it.refuses_and_waits().gone();
  if (!by_hook) {
    it.proceed();
    REQUIRE(it.plans<CreateDomain>());
  }
  if (!owned) it.world.own(web, "n3", 4);
  it.may_act = false;  // the refusal is all that comes
  if (by_hook)
    it.refused_here("nothing is mounted");
  else
    it.answer(CreateAnswer{Outcome::Refused, std::nullopt, "no emulator"});
  CHECK(it.memory.vms.at(web).failed_starts == (owned ? 2 : 1));
  CHECK(it.memory.vms.at(web).gives_back.empty() != owned);
}

TEST_CASE("a refusal that an unanswered create may be the reason of does not count") {
  Failing it;
  it.gone().proceed();
  it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"}).written();
  it.wait(seconds(1));
  it.refuses();
  CHECK(it.memory.vms.at(web).failed_starts == 0);
  it.written();
  it.wait(seconds(20));
  it.refuses();  // by now it cannot come any more
  CHECK(it.memory.vms.at(web).failed_starts == 1);
}

TEST_CASE("a create that succeeds ends the row, and a VM that runs has failed nowhere") {
  Failing it;
  it.world.view.owners.at(web).value.failed_on = {"n1"};
  it.refuses_and_waits().gone().proceed().created();
  CHECK(it.memory.vms.at(web).failed_starts == 0);
  it.identified().written().resumed();
  CHECK(it.plans<WriteRun>()->owner->failed_on.empty());
}

TEST_CASE("what is given back leaves nothing behind: while Ceph is silent it is pending and says so (rule 7)") {
  Failing it;
  it.world.run(web, VmState::Running).instances = {instance};  // it ran here and crashed
  it.gives_back().gone();
  REQUIRE(it.plans<AfterStop>());
  CHECK(it.plans<AfterStop>()->request.own_dead == std::vector<ClientInstance>{instance});
  it.answer(Answer{GENERATE(Outcome::Unknown, Outcome::Refused), "Ceph does not answer"});
  REQUIRE(it.plans<WriteRun>());
  CHECK_FALSE(it.plans<WriteRun>()->owner);
  CHECK(it.plans<WriteRun>()->record.reason == "the release is pending: Ceph does not answer");
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  it.written();
  CHECK(it.idle());
  it.wait(seconds(1)).gone().act_done();
  CHECK(it.released().failed_on == std::vector<NodeName>{"n2"});
  CHECK(it.plans<WriteRun>()->record.reason.find("no emulator") != std::string::npos);
}

TEST_CASE("what lives here after all is not given back") {
  Failing it;
  it.gives_back().found(DomainState::Paused);
  CHECK(it.memory.vms.at(web).goal == Goal::Run);
  CHECK(it.memory.vms.at(web).failed_starts == 0);
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE("a VM that is not wanted any more while it is given back is stopped, and has failed nowhere") {
  Failing it;
  it.world.view.owners.at(web).value.failed_on = {"n1"};
  it.gives_back();
  it.world.vm(web).wanted = WantedState::Stopped;
  it.gone().gone();
  CHECK(it.released().failed_on.empty());
  CHECK(it.plans<WriteRun>()->record.reason.empty());
}

TEST_CASE("a release that the store refuses is decided again") {
  Failing it;
  it.gives_back().gone().refused_by_store();
  CHECK(it.idle());
  it.wait(seconds(1)).gone();
  CHECK(it.released().failed_on == std::vector<NodeName>{"n2"});
}

TEST_CASE("a daemon that leaves gives nothing back") {
  Failing it;
  it.gives_back();
  it.stopping = true;
  it.gone();
  CHECK(it.idle());
}

TEST_CASE("a new session in the same boot is adopted before the VM is given back") {
  Failing it;
  it.gives_back();
  it.world.join("n2", 1, 2);
  it.gone();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->link->kind == LinkKind::Readopted);
  CHECK_FALSE(it.plans<WriteRun>()->owner->released);
}

TEST_CASE("however many hosts have failed, the next one that fits is tried") {
  Failing it;
  it.world.view.owners.at(web).value.failed_on = {"n1", "n3", "n4", "n5", "n6"};
  it.gives_back().gone();
  CHECK(it.released().failed_on == std::vector<NodeName>{"n1", "n3", "n4", "n5", "n6", "n2"});
}

TEST_CASE("when it comes again, at another generation, it is tried anew") {
  Failing it;
  it.gives_back().gone().written();
  it.gone();
  it.world.view.owners.at(web).value.released = false;
  it.world.view.owners.at(web).value.generation = 4;
  it.round();
  CHECK(it.memory.vms.at(web).failed_starts == 0);
  CHECK(it.memory.vms.at(web).goal == Goal::Run);
}

// -------------------------------------------------------------------------------------------------- the last resort

TEST_CASE("where no other host is left it is tried more often, with back-off; then it has failed, with a sentence") {
  Failing it;
  SECTION("it has failed here before") { it.world.view.owners.at(web).value.failed_on = {"n1", "n2"}; }
  SECTION("its disk is here") { it.world.vm(web).disks.push_back({"vdb", DiskKind::Local, "/var/lib/scratch"}); }
  SECTION("it may run nowhere else") { it.world.vm(web).node_limit = {"n2"}; }
  Microseconds pause = seconds(1);
  for (std::uint32_t i = 1; i < failed_starts_last_max; ++i) {
    it.refuses();
    REQUIRE(it.plans<WriteRun>());
    CHECK_FALSE(it.plans<WriteRun>()->owner);
    CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
    it.written();
    CHECK(it.wait(pause - 1).idle());
    it.wait(1);
    pause = std::min(2 * pause, seconds(60));
  }
  it.refuses();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Failed);
  CHECK(it.plans<WriteRun>()->record.attempt == failed_starts_last_max);
  CHECK(it.plans<WriteRun>()->record.reason.starts_with(
      "it could not be started on n2, tried 8 times: libvirt did not create it: no emulator"));
}

TEST_CASE("what has failed is never given up: after a pause every host is tried from the beginning") {
  Failing it;
  it.fails();
  CHECK(it.plans<WriteRun>()->record.reason ==
        "it could not be started on n2, tried 8 times: libvirt did not create it: no emulator; before on n1; it is "
        "tried from the beginning in 60 s");
  it.written();
  CHECK(what_is_missing(it.world.view, it.world.vm(web), {}) == it.world.view.runs.at(web).value.reason);
  CHECK(it.wait(seconds(60) - 1).idle());
  it.wait(1).gone();
  CHECK(it.released().failed_on.empty());
  CHECK(it.plans<WriteRun>()->record.reason == "no host could start it: all are tried again");
}

TEST_CASE("what has failed and is stopped by people is released") {
  Failing it;
  it.fails().written();
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().gone();
  CHECK(it.released().failed_on.empty());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Stopped);
}

TEST_CASE("while the end of what has failed is pending it has failed") {
  Failing it;
  it.world.run(web, VmState::Running).instances = {instance};
  it.fails().written();
  it.wait(seconds(60)).gone();
  REQUIRE(it.plans<AfterStop>());
  it.answer(Answer{Outcome::Unknown, "Ceph does not answer"});
  CHECK(it.plans<WriteRun>()->record.state == VmState::Failed);
}

// ----------------------------------------------------------------------------------------------------------------
// turns

namespace {

// n2 owns VMs that nobody has looked at; two may start at the same time.
struct Crowd : Agent {
  explicit Crowd(int count) {
    settings.starts_at_once = 2;
    for (int i = 1; i <= count; ++i) world.own(uuid(i), "n2", 3);
    round();
  }
  static VmUuid uuid(int number) { return web.substr(0, 35) + std::to_string(number); }
  Step step_of(int number) const { return memory.vms.at(uuid(number)).step; }
  template <class Act>
  const Act* plan_of(int number) const {
    for (const AgentAction& action : actions)
      if (action.uuid == uuid(number))
        if (const auto* act = std::get_if<Act>(&action.act)) return act;
    return nullptr;
  }
  void tell(int number, AgentResult result) { answers.push_back({uuid(number), std::move(result)}); }
  void nothing_runs(int number) { tell(number, DomainProbe{DomainState::Gone, std::nullopt, ""}); }
  void take(int number) {
    const auto* write = plan_of<WriteRun>(number);
    REQUIRE(write);
    world.view.runs[uuid(number)] = {write->record, write->replaces ? *write->replaces + 1 : 40};
    tell(number, Written{true, ""});
  }
  void refuse(int number) {
    HookVerdict refusal;
    refusal.verdict = Verdict::Refuse;
    tell(number, refusal);
    round();
  }
};

}  // namespace

TEST_CASE("a host starts so many VMs at the same time, the most important first, then by name; the others say so") {
  Crowd it(4);
  it.world.vm(Crowd::uuid(4)).priority = 7;
  for (int i = 1; i <= 4; ++i) it.nothing_runs(i);
  it.round();
  CHECK(it.plan_of<RunHook>(4));
  CHECK(it.plan_of<RunHook>(1));
  for (int waits : {2, 3}) {
    CHECK_FALSE(it.plan_of<RunHook>(waits));
    REQUIRE(it.plan_of<WriteRun>(waits));
    CHECK(it.plan_of<WriteRun>(waits)->record.reason == "it waits for its turn: n2 starts 2 VMs at the same time");
    CHECK(it.plan_of<WriteRun>(waits)->record.attempt == 0);  // whoever asked for the start is not answered yet
    CHECK(it.plan_of<WriteRun>(waits)->record.state == VmState::Starting);
    it.take(waits);
  }
  it.round();
  CHECK(it.idle());
  const auto& waiting = it.world.view.vms.at(Crowd::uuid(2)).value;
  CHECK(what_is_missing(it.world.view, waiting, {}) == "it waits for its turn: n2 starts 2 VMs at the same time");
  it.wait(seconds(100));
  CHECK(it.idle());  // told once

  SECTION("a place gets free by a refusal: the next one looks again, then begins") {
    it.refuse(4);
    REQUIRE(it.plan_of<Probe>(2));
    CHECK_FALSE(it.plan_of<Probe>(3));
    it.nothing_runs(2);
    it.round();
    CHECK(it.plan_of<RunHook>(2));
    CHECK(it.step_of(3) == Step::Idle);
  }
  SECTION("a more important one comes: it is the next") {
    it.world.vm(Crowd::uuid(3)).priority = 5;
    it.refuse(4);
    CHECK(it.plan_of<Probe>(3));
    CHECK_FALSE(it.plan_of<Probe>(2));
  }
  SECTION("one that is not wanted any more waits no longer") {
    it.world.vm(Crowd::uuid(2)).wanted = WantedState::Stopped;
    it.round();
    CHECK(it.plan_of<Probe>(2));
  }
}

TEST_CASE("what is tried again later takes nobody's turn, nor does what only has to be adopted") {
  Crowd it(3);
  SECTION("tried later") {
    it.tell(1, DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
    it.tell(2, DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
  }
  SECTION("adopted") {
    for (int i : {1, 2}) {
      it.domains[Crowd::uuid(i)] = DomainState::Running;
      it.world.run(Crowd::uuid(i), VmState::Running);
      it.tell(i, DomainProbe{DomainState::Running, qemu, ""});
    }
  }
  it.nothing_runs(3);
  it.round();
  CHECK(it.plan_of<RunHook>(3));
}

TEST_CASE("a start has its turn in each of its steps, until it runs") {
  Crowd it(2);
  it.settings.starts_at_once = 1;
  it.nothing_runs(1);
  it.nothing_runs(2);
  it.round();
  it.take(2);
  HookVerdict proceed;
  proceed.verdict = Verdict::Proceed;
  const auto pass = [&] {
    it.round();
    const auto planned = it.actions;
    CHECK_FALSE(it.plan_of<Probe>(2));
    CHECK(it.round().idle());  // while it is under way, too
    it.actions = planned;
  };
  it.tell(1, proceed);
  pass();
  REQUIRE(it.plan_of<CreateDomain>(1));
  it.tell(1, CreateAnswer{Outcome::Done, qemu, ""});
  pass();
  REQUIRE(it.plan_of<IdentifyInstances>(1));
  it.tell(1, Identified{Outcome::Done, {instance}, ""});
  pass();
  it.take(1);
  pass();
  REQUIRE(it.plan_of<ResumeDomain>(1));
  it.domains[Crowd::uuid(1)] = DomainState::Running;
  it.tell(1, Answer{Outcome::Done, ""});
  pass();
  it.take(1);
  it.round();
  CHECK(it.plan_of<Probe>(2));
}

TEST_CASE("a VM keeps its place while the record that it waits is being written") {
  Crowd it(4);
  for (int i = 1; i <= 4; ++i) it.nothing_runs(i);
  it.round();
  REQUIRE(it.plan_of<WriteRun>(3));
  const RunRecord told = it.plan_of<WriteRun>(3)->record;
  it.take(4);
  it.refuse(1);
  CHECK_FALSE(it.plan_of<Probe>(4));
  it.world.view.runs[Crowd::uuid(3)] = {told, 40};
  it.tell(3, Written{true, ""});
  it.round();
  CHECK(it.plan_of<Probe>(3));
  CHECK_FALSE(it.plan_of<Probe>(4));
}

TEST_CASE("a VM that is on record as running, and has ended while nobody looked, says that it waits for its turn") {
  Crowd it(2);
  it.settings.starts_at_once = 1;
  it.world.run(Crowd::uuid(2), VmState::Running);
  it.nothing_runs(1);
  it.nothing_runs(2);
  it.round();
  REQUIRE(it.plan_of<WriteRun>(2));
  CHECK(it.plan_of<WriteRun>(2)->record.state == VmState::Starting);
  CHECK(it.plan_of<WriteRun>(2)->record.reason == "it waits for its turn: n2 starts 1 VMs at the same time");
}

TEST_CASE("a turn that is given while the list of the hypervisor is wrong is not lost") {
  Crowd it(1);
  it.domains[Crowd::uuid(1)] = DomainState::Running;  // libvirt lists it, and no process is here
  it.nothing_runs(1);
  it.round();
  CHECK(it.plan_of<RunHook>(1));
}
