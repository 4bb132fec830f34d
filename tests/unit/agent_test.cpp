// How a node starts a VM it owns, step by step, whatever the answers are.

#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

// ------------------------------------------------------------------------------------------------------------------
// start

TEST_CASE(
    "a start goes probe, hooks, create paused, identify, record, resume, record: in this order and one at a time") {
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
  SECTION("its session is gone") { it.world.lose("n3"); }
  SECTION("its whole entry is gone") { it.world.view.live.erase({"n3", 1}); }
  it.round().gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->request.living == std::map<NodeName, std::vector<std::string>>{{"n1", {"10.0.0.1"}}});
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

TEST_CASE("what a hook has found before it lets a VM start is evidence of the start") {
  Owner it;
  it.settings.hooks = {"first", "rbd-locks"};
  it.gone().proceed().verdict(Verdict::Proceed, "nobody watches vms/disk1").created().identified().identified();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.actions.front().why.evidence == std::vector<std::string>{"rbd-locks: nobody watches vms/disk1"});
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

// -------------------------------------------------------------------------------------------------------- hooks that
// say no

TEST_CASE(
    "nothing but Proceed starts a VM: a refusal, no answer and a wait are recorded at once, with the next attempt's "
    "number") {
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
    it.wait_verdict(0).written();
    CHECK(it.wait(seconds(1) - 1).idle());
    it.wait(1).gone();
    CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(36));
  }
  SECTION("one that begins later counts for itself") {
    it.wait_verdict(seconds(5), {"vms/disk1 10.0.0.2:0/3", "vms/disk1 10.0.0.2:0/4"}).written();
    it.wait(seconds(5)).gone();
    const auto& seen = it.plans<RunHook>()->request.first_seen;
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].ago == seconds(40));
    CHECK(seen[1].ago == seconds(5));
  }
  SECTION("one that is not named any more is forgotten, so that it begins anew") {
    it.wait_verdict(seconds(5), {"vms/disk1 10.0.0.2:0/4"}).written();
    it.wait(seconds(5)).gone().wait_verdict(seconds(5)).written();
    it.wait(seconds(5)).gone();
    REQUIRE(it.plans<RunHook>()->request.first_seen.size() == 1);
    CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(5));
  }
  SECTION("a refusal lets it begin anew: meanwhile it may have shown life") {
    it.verdict(Verdict::Refuse, "it is alive").written();
    it.wait(seconds(1)).gone();
    CHECK(it.plans<RunHook>()->request.first_seen.empty());
  }
  SECTION("no answer tells nothing: it goes on counting") {
    it.verdict(Verdict::Unknown, "it did not answer in time").written();
    it.wait(seconds(1)).gone();
    REQUIRE(it.plans<RunHook>()->request.first_seen.size() == 1);
    CHECK(it.plans<RunHook>()->request.first_seen[0].ago == seconds(36));
  }
  SECTION("forgotten when it has run") {
    it.proceed().created().identified().written().resumed().written();
    CHECK(it.memory.vms.at(web).first_seen.empty());
  }
}

TEST_CASE("a hook's verdict ends its own waits, not those of another hook") {
  Owner it;
  it.settings.hooks = {"first", "second"};
  it.gone().proceed().wait_verdict(seconds(35)).written();
  it.wait(seconds(35)).gone();
  CHECK(it.plans<RunHook>()->request.first_seen.empty());
  it.proceed();
  REQUIRE(it.plans<RunHook>()->hook == "second");
  CHECK(it.plans<RunHook>()->request.first_seen.size() == 1);
}

TEST_CASE(
    "what an earlier QEMU of this node left behind is kept on record over refusals, and named dead to the hook (rule "
    "17)") {
  Agent it;
  it.world.own(web, "n2", 2);
  it.world.run(web, VmState::Running).life.boot = "boot-n2-0";
  it.world.own(web, "n2", 3).former = {
      Writer{{"n2", "boot-n2-0", 1}, 1, {}, {{"vms/disk1", "10.0.0.2:0/5"}}, CoverKind::LaterBoot},
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
  SECTION("a request about another VM, or to another node, does not count as asked") {
    (GENERATE(true, false) ? job.arguments["vm"] : job.object) = "another";
    it.wait(seconds(2)).gone().verdict(Verdict::Refuse, "locked by a dead client of n3", "n3").written();
    CHECK(it.plans<AskRelease>());
  }
  SECTION("nobody is asked when nobody is named") {
    it.wait(seconds(2)).gone().verdict(Verdict::Refuse, "locked by client.4").written();
    CHECK_FALSE(it.plans<AskRelease>());
  }
}

// ---------------------------------------------------------------------------------------------- a start that does not
// succeed

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

// ------------------------------------------------------------------------------------- a create that was given up

TEST_CASE("no release while a create without an answer may still happen (rule 7)") {
  Owner it;
  it.gone().proceed();
  REQUIRE(it.plans<CreateDomain>());
  it.world.vm(web).wanted = WantedState::Stopped;
  SECTION("no answer") {
    it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"}).gone();
    CHECK(it.idle());
    CHECK(it.wait(seconds(15) - 1).idle());
    it.wait(1).looks();
    SECTION("it has not happened: now it cannot any more") {
      it.gone();
      REQUIRE(it.plans<WriteRun>());
      CHECK(it.plans<WriteRun>()->owner->released);
    }
    SECTION("it has happened meanwhile: its QEMU is destroyed before anything is released") {
      it.found(DomainState::Paused);
      REQUIRE(it.plans<DestroyDomain>());
      it.act_done().gone();
      CHECK(it.plans<WriteRun>()->owner->released);
    }
  }
  SECTION("no answer, and the look that was under way when its time ended does not count") {
    it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"}).looks();
    it.now += seconds(20);
    it.gone().looks().gone();
    CHECK(it.plans<WriteRun>()->owner->released);
  }
  SECTION("the twin: refused, it has not happened and will not") {
    it.answer(CreateAnswer{Outcome::Refused, std::nullopt, "bad XML"});
    it.gone();
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->owner->released);
  }
}

TEST_CASE("a start on the same node does not wait for a create without an answer: libvirt takes one domain of a UUID") {
  Owner it;
  it.gone().proceed();
  it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"}).written();
  it.wait(seconds(1)).gone();
  CHECK(it.plans<RunHook>());
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

TEST_CASE("of a QEMU whose start could not be recorded, what it leaves in Ceph is known for this node's own") {
  Owner it;
  it.gone().proceed().created().identified().refused_by_store();
  it.wait(seconds(1)).found(DomainState::Paused).act_done().gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->request.own_dead == std::vector{instance});
  it.proceed().created();
  it.answer(Identified{Outcome::Unknown, {}, "Ceph does not answer"}).written().wait(seconds(4));
  it.found(DomainState::Paused).act_done().gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->request.own_dead.empty());  // that one is broken, and of the newer one nothing is known
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

// ----------------------------------------------------------------------------------------------- own writes are seen

TEST_CASE("nothing is decided from records that do not show the own write yet") {
  Owner it;
  it.gone().proceed().created().identified();
  const WriteRun start = *it.plans<WriteRun>();
  it.answer(Written{true, ""});
  REQUIRE(it.plans<ResumeDomain>());  // that writes nothing: it need not wait
  it.resumed();
  CHECK(it.idle());
  CHECK(it.round().idle());
  it.show(start);
  it.round();
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->replaces == it.world.view.runs.at(web).version);
  SECTION("the owner record counts as well") {
    const WriteRun running = *it.plans<WriteRun>();
    it.world.view.runs[web] = {running.record, *running.replaces + 1};
    it.answer(Written{true, ""});
    it.world.vm(web).wanted = WantedState::Stopped;
    CHECK(it.round().idle());
    it.world.view.owners.at(web).version++;
    it.round().looks();
  }
  SECTION("a write that failed is not waited for") {
    it.refused_by_store();
    it.wait(seconds(1)).looks();
  }
  SECTION("a record that never shows it was removed meanwhile: the wait ends") {
    it.answer(Written{true, ""});
    it.world.vm(web).wanted = WantedState::Stopped;
    if (GENERATE(true, false)) it.world.view.owners.erase(web);
    CHECK(it.wait(seconds(5) - 1).idle());
    it.wait(1).looks();
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

// -------------------------------------------------------------------------------------------------------- changes
// mid-start

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

TEST_CASE(
    "when this boot is declared dead in the middle of a start, nothing is started and what is here is destroyed") {
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
  it.domains.erase(web);
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
