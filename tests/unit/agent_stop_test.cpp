// How a node stops a VM, what it leaves behind when it releases it, and how it helps others with what it left.

#include "logic/transactions.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

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

TEST_CASE("a release is written only while the wish that it obeys is as it was seen: it may be over") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.view.vms.at(web).version = 7;
  it.round().found(DomainState::Running).act_done();
  it.domains[web] = DomainState::Gone;
  it.round().gone().act_done();
  REQUIRE(it.plans<WriteRun>());
  const Changes changes = transaction_of(*it.plans<WriteRun>(), web);
  CHECK(std::any_of(changes.begin(), changes.end(), [](const Change& change) {
    const auto* check = std::get_if<Check>(&change);
    return check && check->key == Key{Kind::Vm, web} && check->version == 7;
  }));
  it.world.vm(web).wanted = WantedState::Running;
  it.refused_by_store().gone();
  CHECK(it.plans<RunHook>());  // at once, when it is seen
}

TEST_CASE("a guest that does not shut down in time is destroyed") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running).act_done();
  CHECK(it.wait(seconds(180)).idle());
  it.wait(1);
  REQUIRE(it.plans<DestroyDomain>());
  it.act_done().looks();
}

TEST_CASE("a guest that could not be asked to shut down is asked again, and its time is not lengthened") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running);
  const Answer failed{GENERATE(Outcome::Refused, Outcome::Unknown), "libvirt is restarting"};
  CHECK(it.answer(failed).idle());  // nor is that an answer to whoever asked: its job goes on
  CHECK(it.wait(seconds(1) - 1).idle());
  SECTION("then it is reached, and is not asked again") {
    it.wait(1);
    REQUIRE(it.plans<ShutdownDomain>());
    CHECK_THAT(it.actions.front().why.because, Catch::EndsWith("libvirt is restarting"));
    it.act_done();
    CHECK(it.wait(seconds(179)).idle());
    it.wait(1);
    CHECK(it.plans<DestroyDomain>());
  }
  SECTION("it is never reached: asked less and less often, and destroyed when its time is over") {
    int asked = 1;
    for (const Instant began = it.now; !it.plans<DestroyDomain>(); it.wait(seconds(1))) {
      REQUIRE(it.now - began <= seconds(182));
      if (!it.plans<ShutdownDomain>()) continue;
      ++asked;
      it.answer(failed);
    }
    CHECK(asked == 8);
  }
  SECTION("meanwhile the core stops: the next one asks") {
    it.stopping = true;
    CHECK(it.wait(seconds(60)).idle());
  }
  SECTION("meanwhile it is to be off at once") {
    it.world.vm(web).off_at_once = true;
    CHECK(it.round().plans<DestroyDomain>());
  }
  SECTION("meanwhile it goes by itself") {
    it.crash();
    CHECK(it.plans<AfterStop>());
  }
  SECTION("meanwhile it is wanted again: it is not asked, and runs on") {
    it.world.vm(web).wanted = WantedState::Running;
    CHECK(it.wait(seconds(60)).idle());
    it.wait(seconds(121)).found(DomainState::Running);
    CHECK_FALSE(it.plans<ShutdownDomain>());
  }
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

TEST_CASE(
    "a guest that is wanted again at another generation while it shuts down is looked at: nothing of it is known") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().found(DomainState::Running).act_done();
  it.world.vm(web).wanted = WantedState::Running;
  it.world.view.owners.at(web).value.generation = 4;
  it.round().looks();
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

TEST_CASE(
    "a process that has just begun does not know what the one before asked for: no release until that cannot come") {
  Owner it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.memory = {};
  it.round().gone();
  CHECK(it.idle());
  CHECK(it.wait(it.settings.act_limit + create_settles - 1).idle());
  it.wait(1);
  SECTION("it has come: it is destroyed") { CHECK(it.found(DomainState::Paused).plans<DestroyDomain>()); }
  SECTION("nothing has") { CHECK(it.gone().plans<WriteRun>()->owner->released); }
}

TEST_CASE("what is stopped later than that is released at once") {
  Owner it;
  it.memory = {};
  it.round();
  it.now += it.settings.act_limit + create_settles;
  it.gone();
  it.world.vm(web).wanted = WantedState::Stopped;
  CHECK(it.proceed().gone().plans<WriteRun>()->owner->released);
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
    SECTION("the answer counts at once, whether the view shows it or not") {
      it.answer(Written{true, ""}).gone();
      CHECK(it.wait(seconds(60)).idle());
    }
    SECTION("and asked once more, it forgets the refusal") {
      it.answer(Written{true, ""}).gone();
      it.world.job(1, "node-release-images", "n2", {{"vm", web}}).state = JobState::Finished;
      it.world.job(2, "node-release-images", "n2", {{"vm", web}}).id = 2;
      it.round().gone().proceed();
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

TEST_CASE("a release request that came and went while nothing could be done is not answered") {
  Agent it;
  it.world.own(web, "n3", 3);
  it.domains[web] = DomainState::Running;
  it.round().looks();
  it.may_act = false;
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
  CHECK(it.idle());
  const bool withdrawn = GENERATE(true, false);
  if (withdrawn) it.world.view.jobs.clear();
  it.may_act = true;
  it.round();
  if (!withdrawn) it.found(DomainState::Running);  // the goal is new: it is looked at first
  CHECK((it.plans<FinishJob>() != nullptr) != withdrawn);
  if (withdrawn) it.wait(seconds(1)).looks();
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
  CHECK(it.plans<FinishJob>()->record.message == "QEMU 500 of vm1 lives on n2, and nobody has asked n2 to stop it");
}

TEST_CASE("a release request stays open while the QEMU is being stopped, and is answered when it is gone (rule 7)") {
  RunningVm it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().found(DomainState::Running);
  REQUIRE(it.plans<ShutdownDomain>());
  it.act_done();
  CHECK(it.wait(seconds(100)).idle());
  it.crash().act_done();
  CHECK(it.plans<WriteRun>()->owner->released);
  it.written();
  CHECK_FALSE(it.plans<FinishJob>());
  it.gone().proceed();
  REQUIRE(it.plans<FinishJob>());
  CHECK(it.plans<FinishJob>()->record.result == JobResult::Done);
}

TEST_CASE("a node that cannot tell whether it lives answers so") {
  Agent it;
  it.world.own(web, "n3", 3);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().answer(DomainProbe{DomainState::Unknown, std::nullopt, "timeout"});
  REQUIRE(it.plans<FinishJob>());
  CHECK(it.plans<FinishJob>()->record.result == JobResult::Refused);
}

TEST_CASE("the owner of a VM that is to run refuses to release it, once, and goes on") {
  SECTION("while it runs") {
    RunningVm it;
    it.world.job(1, "node-release-images", "n2", {{"vm", web}});
    it.round();
    REQUIRE(it.plans<FinishJob>());
    CHECK(it.plans<FinishJob>()->record.result == JobResult::Refused);
    CHECK(it.plans<FinishJob>()->record.message == "vm1 is n2's, and is to run there");
    it.answer(Written{true, ""}).found(DomainState::Running);
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("while it starts") {
    Owner it;
    it.world.job(1, "node-release-images", "n2", {{"vm", web}});
    it.gone();
    REQUIRE(it.plans<FinishJob>());
    it.answer(Written{true, ""}).gone().proceed();
    CHECK(it.plans<CreateDomain>());
  }
  SECTION("a request about another VM is none about this one") {
    RunningVm it;
    it.world.job(1, "node-release-images", "n2", {{"vm", mail}});
    CHECK(it.round().idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("the request was withdrawn meanwhile") {
    RunningVm it;
    it.world.job(1, "node-release-images", "n2", {{"vm", web}});
    it.round().answer(Written{false, "moved on"});
    it.world.view.jobs.clear();
    it.wait(seconds(1)).found(DomainState::Running);
    CHECK(it.step() == Step::Running);
  }
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
