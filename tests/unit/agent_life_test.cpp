// What a node does about a VM that runs or ran here: adopt, watch, stop, release, destroy, help.

#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

// ---------------------------------------------------------------------------------------------------------------
// restarts

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

// Where libvirt hangs, a QEMU whose CPUs never ran is found running too: letting them run again costs nothing.
TEST_CASE("a QEMU that lives with a recorded start is let run, and recorded with the instances of the record") {
  Restarted it(VmState::Starting);
  it.found(DomainState::Running);
  CHECK(it.plans<ResumeDomain>()->request.process == qemu);
  it.resumed();
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

// --------------------------------------------------------------------------------------------------------- while it
// runs

TEST_CASE("a QEMU that is reported gone is probed, and restarted only when the probe says so") {
  RunningVm it;
  it.domains[web] = DomainState::Gone;
  if (GENERATE(true, false)) it.domains.erase(web);  // not on the complete list: it died while nobody listened
  it.round().looks();
  SECTION("it is gone") {
    it.gone();
    CHECK(it.plans<RunHook>());
  }
  SECTION(
      "it lives, whatever libvirt says: it is looked at again after a while, for it may die with the fact unchanged") {
    it.found(DomainState::Running);
    CHECK(it.idle());
    CHECK(it.round().idle());
    it.wait(seconds(60)).looks().found(DomainState::Running);
    CHECK(it.idle());
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

// -------------------------------------------------------------------------------------------------------------------
// stop

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
  it.wait(seconds(80)).looks().found(DomainState::Running);
  CHECK(it.idle());
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

// ------------------------------------------------------------------------------------------------------------ declared
// dead

TEST_CASE(
    "a boot that was declared dead destroys what runs here, without a right to act, and writes nothing (no merging)") {
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

// ------------------------------------------------------------------------------------------------------------ help
// release

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

TEST_CASE("a node is asked about a VM that has no owner") {
  Agent it;
  it.world.vm(web);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().gone().proceed();
  CHECK(it.plans<FinishJob>());
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

// ------------------------------------------------------------------------------------------------------------- whose
// VMs

TEST_CASE(
    "a node looks after what it owns, what it ran, what runs here and what it is asked about; not after the rest") {
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
