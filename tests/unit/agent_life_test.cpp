// What a node does about a VM that runs or ran here: adopt, watch, destroy, or leave alone.

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
  SECTION("it lives, and libvirt does not say in which state: its record stays true") {
    it.found(DomainState::Unknown);
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("its record carries a trouble that is over: it is written anew") {
    it.world.view.runs.at(web).value.reason = "it is not known whether it runs here";
    it.found(DomainState::Running);
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->record.reason.empty());
    CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
  }
  SECTION("a person has paused it, and its record carries a trouble that is over: it ran, and is not destroyed") {
    it.world.view.runs.at(web).value.reason = "it is not known whether it runs here";
    it.found(DomainState::Paused);
    CHECK_FALSE(it.plans<DestroyDomain>());
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->record.reason.empty());
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

TEST_CASE(
    "a QEMU that lives in an unknown state is neither started beside, nor recorded running, but looked at again") {
  Restarted it(VmState::Starting, GENERATE(DomainState::Paused, DomainState::Running));
  it.found(DomainState::Unknown);
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
  CHECK(it.plans<WriteRun>()->record.process == qemu);
  CHECK(it.plans<WriteRun>()->record.reason.find("not known whether it runs or is paused") != std::string::npos);
  it.written();
  CHECK(it.idle());
  it.wait(seconds(1)).looks();
  SECTION("paused: its start is begun anew") {
    it.found(DomainState::Paused);
    CHECK(it.plans<DestroyDomain>());
  }
  SECTION("running: recorded now") {
    it.found(DomainState::Running);
    CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
  }
  SECTION("not wanted any more: it is stopped") {
    it.found(DomainState::Unknown).written();
    it.world.vm(web).wanted = WantedState::Stopped;
    it.round().found(DomainState::Unknown);
    CHECK(it.plans<ShutdownDomain>());
  }
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

TEST_CASE("a record of another life or generation is not taken for that of the QEMU that lives here") {
  const auto [life, generation] = GENERATE(table<Life, Generation>({
      {{"n2", "boot-n2-0", 1}, 3},
      {{"n3", "boot-n2-1", 1}, 3},
      {{"n2", "boot-n2-1", 1}, 2},  // it was given back, and has come again
  }));
  Agent it;
  it.world.own(web, "n2", 3);
  it.world.run(web, VmState::Running, qemu);
  it.domains[web] = DomainState::Running;
  SECTION("the twin: it is of this life and generation") {
    it.round().found(DomainState::Running);
    CHECK(it.step() == Step::Running);
  }
  SECTION("another") {
    it.world.view.runs.at(web).value.life = life;
    it.world.view.runs.at(web).value.generation = generation;
    it.round().found(DomainState::Running);
    CHECK(it.plans<IdentifyInstances>());
  }
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

TEST_CASE("a VM that crashes again and again soon after its start is started with back-off, and says so") {
  RunningVm it;
  const auto start = [&] { it.proceed().created().identified().written().resumed().written(); };
  it.wait(seconds(3)).crash();
  REQUIRE(it.plans<RunHook>());  // the first one: at once
  start();
  Microseconds expected = seconds(1);
  for (int crash = 2; crash <= 9; ++crash) {
    it.wait(seconds(3)).crash();
    REQUIRE(it.plans<WriteRun>());
    CHECK(it.plans<WriteRun>()->record.reason == "its QEMU ended " + std::to_string(crash) +
                                                     " times in a row, the last time 3 s after it was started; it is "
                                                     "started again in " +
                                                     std::to_string(expected / seconds(1)) + " s");
    CHECK(it.plans<WriteRun>()->record.state == VmState::Starting);
    CHECK(it.plans<WriteRun>()->record.instances == std::vector<ClientInstance>{instance});
    it.written();
    CHECK(it.wait(expected - 1).idle());
    it.wait(1).gone();
    start();
    expected = std::min(expected * 2, seconds(60));
  }
  SECTION("one that ran for a while begins anew") {
    it.wait(seconds(60)).crash();
    CHECK(it.plans<RunHook>());
  }
  SECTION("a stop and start by people begins anew") {
    it.world.vm(web).wanted = WantedState::Stopped;
    it.world.vm(web).off_at_once = true;
    it.round().found(DomainState::Running);
    it.domains.erase(web);
    it.act_done().gone().act_done().written().gone();
    it.world.own(web, "n2", 4);
    it.world.vm(web).wanted = WantedState::Running;
    it.round().gone();
    start();
    it.crash();
    CHECK(it.plans<RunHook>());
  }
}

TEST_CASE("a VM that runs as wanted is left in peace, whatever else the facts say") {
  RunningVm it;
  it.domains[web] = GENERATE(DomainState::Running, DomainState::Paused, DomainState::Unknown);
  CHECK(it.wait(seconds(3600)).idle());
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

TEST_CASE("a QEMU that comes late to a boot that was declared dead is destroyed as well") {
  RunningVm it;
  it.world.prove("n2");
  it.round().found(DomainState::Running);
  it.domains.erase(web);
  it.act_done().gone();
  CHECK(it.idle());
  it.domains[web] = DomainState::Gone;
  CHECK(it.wait(seconds(60)).idle());  // listed as gone: nothing has come
  it.domains[web] = DomainState::Paused;
  it.round().looks().found(DomainState::Paused);
  CHECK(it.plans<DestroyDomain>());
}

TEST_CASE(
    "a boot that was declared dead destroys what runs here while libvirt is away: probe and destroy go without it") {
  RunningVm it;
  it.domains_ready = false;
  it.world.prove("n2");
  it.round().found(DomainState::Unknown);
  CHECK(it.plans<DestroyDomain>());
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

TEST_CASE("a create that is answered while the definition cannot be read may still happen, and is not repeated") {
  Owner it;
  it.gone().proceed();
  REQUIRE(it.plans<CreateDomain>());
  const auto definition = it.world.view.vms.at(web);
  it.world.view.vms.erase(web);
  it.may_act = false;
  it.answer(CreateAnswer{Outcome::Unknown, std::nullopt, "timeout"});
  CHECK(it.idle());
  it.world.view.vms[web] = definition;
  it.may_act = true;
  it.round().looks();
  CHECK(it.memory.vms.at(web).create_ends_at > it.now);
}

TEST_CASE("a VM whose definition cannot be read is left alone, whatever the other records say, and not remembered") {
  Agent it;
  it.world.own(web, "n2");
  it.world.run(web);
  it.domains[web] = DomainState::Running;
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  const auto definition = it.world.view.vms.at(web);
  it.world.view.vms.erase(web);
  CHECK(it.round().idle());
  CHECK(it.memory.vms.empty());
  it.world.view.vms[web] = definition;
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

TEST_CASE("an answer that is none to what was asked is no Proceed: the hook is asked again") {
  Owner it;
  it.gone();
  REQUIRE(it.plans<RunHook>());
  it.answer(Answer{Outcome::Done, "done"});
  CHECK_FALSE(it.plans<CreateDomain>());
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.reason == "done");
  it.written().wait(seconds(1)).gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->hook == "rbd-locks");
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
