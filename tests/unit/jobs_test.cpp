// Requests of people about VMs: what each does next, and with which result it ends.

#include "job_case.hpp"
#include "logic/transactions.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

using Running = RunningJobCase;
using Stopped = StoppedJobCase;

}  // namespace

TEST_CASE("the table knows each type once") {
  for (const JobType& type : job_types) CHECK(find_job_type(type.name) == &type);
  CHECK(find_job_type("vm-dance") == nullptr);
}

TEST_CASE("a job of a type that this version does not know fails and says so") {
  JobCase it;
  it.world.job(1, "vm-dance", web);
  CHECK(it.result() == JobResult::Failed);
  CHECK(it.says("vm-dance"));
}

TEST_CASE("no job changes anything while it is queued: a cancel in between is true") {
  const auto type =
      GENERATE(std::string("vm-start"), "vm-shutdown", "vm-stop", "vm-disable", "vm-restart", "vm-undefine", "vm-move",
               "node-fence", "node-confirm-off", "node-verify-fence", "node-become-primary", "node-step-down");
  JobCase it;
  it.world.vm(web, WantedState::Stopped).wanted =
      type == "vm-undefine" || type == "vm-start" ? WantedState::Stopped : WantedState::Running;
  if (type != "vm-undefine" && type != "vm-start") it.world.own(web, "n2");
  const bool about_vm = type.starts_with("vm-");
  std::string object = about_vm ? web : type == "node-step-down" ? "n1" : "n3";
  it.world.job(1, type, object, {{"node", "n3"}, {"boot_id", "boot-n3-1"}});
  if (type == "node-confirm-off") it.world.lose("n3");
  INFO(type);
  it.take_up();
  CHECK(it.changes_nothing());
}

TEST_CASE("a job about a VM that is gone fails; one whose record cannot be read says so") {
  JobCase it;
  it.world.job(1, "vm-start", web);
  CHECK(it.result() == JobResult::Failed);
  CHECK(it.message == "the VM is gone");
  it.world.view.broken["/vms/" + web] = "no JSON";
  CHECK(it.result() == JobResult::Failed);
  CHECK(it.says("no JSON"));
}

// -------------------------------------------------------------------------------------------------------------------
// start

TEST_CASE("a start wants the VM running and is done when it runs") {
  Stopped it;
  it.world.vm(web).off_at_once = true;
  it.world.job(1, "vm-start", web);
  it.take_up();
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->wanted == WantedState::Running);
  CHECK_FALSE(it.wish()->off_at_once);
  it.wish_is_seen();
  CHECK_FALSE(it.step());
  CHECK_FALSE(it.wish());
  it.world.own(web, "n3", 2);
  it.world.run(web, VmState::Starting);
  CHECK_FALSE(it.step());
  it.world.run(web, VmState::Running);
  CHECK(it.result() == JobResult::Done);
  CHECK(it.message == "vm1 runs on n3");
}

TEST_CASE("a start of what runs already is skipped") {
  Running it;
  it.world.job(1, "vm-start", web);
  CHECK(it.result() == JobResult::Skipped);
}

TEST_CASE("a start ends refused with the reason of a new refusal, not of an old one") {
  Stopped it;
  it.world.run(web, VmState::Starting).attempt = 5;
  it.world.view.runs.at(web).value.reason = "old";
  it.world.job(1, "vm-start", web);
  CHECK(it.take_up().mark == 5);
  it.world.vm(web).wanted = WantedState::Running;
  it.world.own(web, "n2", 2);
  it.world.run(web, VmState::Starting).attempt = 5;
  it.world.view.runs.at(web).value.reason = "old";
  CHECK_FALSE(it.step());
  it.world.view.runs.at(web).value.attempt = 6;
  it.world.view.runs.at(web).value.reason = "locked by client.4";
  CHECK(it.result() == JobResult::Refused);
  CHECK(it.message == "locked by client.4");
}

TEST_CASE("a refusal of an older generation ends no start") {
  Stopped it;
  it.world.vm(web).wanted = WantedState::Running;
  it.world.run(web, VmState::Starting);
  it.world.job(1, "vm-start", web);
  it.take_up();
  it.world.own(web, "n2", 2);
  it.world.view.runs.at(web).value.attempt = 9;
  it.world.view.runs.at(web).value.reason = "of generation 1";
  CHECK_FALSE(it.step());
}

TEST_CASE("a start that has no place ends refused with the reason; the twin with room goes on") {
  Stopped it;
  it.world.vm(web).wanted = WantedState::Running;
  it.world.vm(web).memory = 1000 * gib;
  it.world.job(1, "vm-start", web);
  it.take_up();
  CHECK(it.result() == JobResult::Refused);
  CHECK(it.says("no node can take it now"));
  it.world.vm(web).memory = gib;
  CHECK(it.result() == JobResult::None);
}

TEST_CASE("a start of a VM whose node is proven off is done when it runs elsewhere, and not before") {
  Running it;
  it.world.prove("n2");
  it.world.job(1, "vm-start", web);
  it.take_up();  // its record says running still, but that boot is over
  CHECK_FALSE(it.step());
  it.world.own(web, "n3", 2);
  it.world.run(web);
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("in maintenance a start of a lost node's VM is refused and says why") {
  Running it;
  it.world.maintenance().prove("n2");
  it.world.job(1, "vm-start", web);
  it.take_up();
  CHECK(it.result() == JobResult::Refused);
  CHECK(it.says("maintenance"));
}

TEST_CASE("running is what the owner says of its present boot and generation") {
  Running it;
  it.world.job(1, "vm-start", web, {}, JobState::Running);
  SECTION("the twin") { CHECK(it.result() == JobResult::Done); }
  SECTION("another state") {
    it.world.view.runs.at(web).value.state = VmState::Paused;
    CHECK(it.result() == JobResult::None);
  }
  SECTION("another boot") {
    it.world.view.runs.at(web).value.life.boot = "boot-n2-0";
    CHECK(it.result() == JobResult::None);
  }
  SECTION("another generation") {
    it.world.view.runs.at(web).value.generation = 0;
    CHECK(it.result() == JobResult::None);
  }
  SECTION("released") {
    it.world.view.owners.at(web).value.released = true;
    CHECK(it.result() == JobResult::None);
  }
  SECTION("its node is lost: what it said last is no answer to this request") {
    it.world.lose("n2");
    CHECK(it.result() == JobResult::None);
  }
  SECTION("no word at all") {
    it.world.view.runs.erase(web);
    CHECK(it.result() == JobResult::None);
  }
}

// --------------------------------------------------------------------------------------------------------------------
// stop

TEST_CASE("each way to stop has its wish, and is done when the VM is released") {
  const auto [type, wanted, at_once] = GENERATE(table<std::string, WantedState, bool>({
      {"vm-shutdown", WantedState::Stopped, false},
      {"vm-stop", WantedState::Stopped, true},
      {"vm-disable", WantedState::Disabled, false},
  }));
  Running it;
  it.world.job(1, type, web);
  CHECK(it.take_up().mark == 5);
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->wanted == wanted);
  CHECK(it.wish()->off_at_once == at_once);
  it.wish_is_seen();
  CHECK(it.result() == JobResult::None);
  SECTION("released") { it.world.view.owners.at(web).value.released = true; }
  SECTION("its node proven off") { it.world.prove("n2"); }
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a stop of what is stopped as wanted is skipped; a disable of it is not") {
  Stopped it;
  it.world.job(1, "vm-shutdown", web);
  CHECK(it.result() == JobResult::Skipped);
  it.world.job(1, "vm-disable", web);
  it.take_up();
  CHECK_FALSE(it.step());
  it.wish_is_seen();
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a stop of what is on its way to be stopped waits for it") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "vm-shutdown", web);
  it.take_up();
  it.world.view.runs.at(web).value.attempt = 6;  // an answer without a reason is no failure
  CHECK(it.result() == JobResult::None);
  it.world.view.owners.at(web).value.released = true;
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a shutdown may be shortened by a stop, which does not wait for the guest") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "vm-stop", web, {}, JobState::Running);
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->off_at_once);
}

TEST_CASE("a stop that its node cannot carry out fails with the reason, not with an old one") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.view.runs.at(web).value.reason = "old";
  it.world.job(1, "vm-shutdown", web, {}, JobState::Running).mark = 5;
  CHECK(it.result() == JobResult::None);
  it.world.view.runs.at(web).value.attempt = 6;
  it.world.view.runs.at(web).value.reason = "the release is pending: Ceph does not answer";
  CHECK(it.result() == JobResult::Failed);
  CHECK(it.says("release is pending"));
}

TEST_CASE(
    "during recovery stop, shutdown, restart and move are refused with the reason, and disable works (scenario F8)") {
  Running it;
  it.world.lose("n2");
  SECTION("refused") {
    const auto type = GENERATE(std::string("vm-stop"), "vm-shutdown", "vm-restart", "vm-move");
    it.world.job(1, type, web, {{"node", "n3"}});
    CHECK(it.result() == JobResult::Refused);
    CHECK(it.says("its node n2 is lost and not proven off"));
  }
  SECTION("their twin of a node that is only suspect goes on") {
    it.n1.round();
    it.world.live("n2").session = true;
    it.n1.wait(seconds(3));
    it.world.job(1, "vm-stop", web);
    it.take_up();
  }
  SECTION("disable") {
    it.world.job(1, "vm-disable", web);
    it.take_up();
    CHECK_FALSE(it.step());
    it.wish_is_seen();
    CHECK(it.result() == JobResult::Done);
    CHECK(it.says("it will not be started again, but its node n2 is lost"));
  }
}

TEST_CASE("a stop whose node is lost half-way fails honestly; a restart goes on with the recovery") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.lose("n2");
  it.world.job(1, "vm-shutdown", web, {}, JobState::Running);
  CHECK(it.result() == JobResult::Failed);
  it.world.job(1, "vm-restart", web, {{"phase", "stop"}}, JobState::Running);
  CHECK(it.result() == JobResult::None);
  it.world.prove("n2");
  CHECK(it.take_up().arguments.at("phase") == "start");
}

// -----------------------------------------------------------------------------------------------------------------
// restart

TEST_CASE("a restart stops, then starts; the step is in the job, so that another primary goes on") {
  Running it;
  it.world.job(1, "vm-restart", web);
  CHECK(it.take_up().arguments.at("phase") == "stop");
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->wanted == WantedState::Stopped);
  it.wish_is_seen();
  CHECK_FALSE(it.step());
  CHECK_FALSE(it.wish());
  it.world.view.owners.at(web).value.released = true;
  it.world.view.runs.at(web).value.attempt = 8;
  const JobRecord& job = it.take_up();
  CHECK(job.arguments.at("phase") == "start");
  CHECK(job.mark == 8);
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->wanted == WantedState::Running);
  it.wish_is_seen();
  CHECK_FALSE(it.step());
  it.world.own(web, "n2", 2);
  it.world.run(web);
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a restart of a stopped VM starts it") {
  Stopped it;
  it.world.job(1, "vm-restart", web);
  it.take_up();
  CHECK(it.take_up().arguments.at("phase") == "start");
}

// --------------------------------------------------------------------------------------------------------------------
// move

TEST_CASE("a move of a running VM changes its home, stops it and starts it there") {
  Running it;
  it.world.job(1, "vm-move", web, {{"node", "n3"}});
  CHECK(it.take_up().arguments.at("phase") == "stop");
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->home == "n3");
  CHECK(it.wish()->wanted == WantedState::Running);
  it.wish_is_seen();
  CHECK_FALSE(it.step());
  CHECK(it.wish()->wanted == WantedState::Stopped);
  it.wish_is_seen();
  it.world.view.owners.at(web).value.released = true;
  CHECK(it.take_up().arguments.at("phase") == "start");
  it.step();
  it.wish_is_seen();
  it.step();
  REQUIRE(it.n1.with_key<AssignVm>("assign/" + web));
  CHECK(it.n1.with_key<AssignVm>("assign/" + web)->record.owner.node == "n3");
  it.world.own(web, "n3", 2);
  it.world.run(web);
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("a move that ended elsewhere says so instead of done") {
  Running it;
  it.world.vm(web).home = "n3";
  it.world.job(1, "vm-move", web, {{"node", "n3"}, {"phase", "start"}}, JobState::Running);
  SECTION("it was started again, but where it was") {
    CHECK(it.result() == JobResult::Failed);
    CHECK(it.says("n3 could not take it any more: it runs on n2"));
  }
  SECTION("it is not wanted again yet: only its release is not seen") {
    it.world.vm(web).wanted = WantedState::Stopped;
    CHECK_FALSE(it.step());
    CHECK(it.wish()->wanted == WantedState::Running);
  }
}

TEST_CASE("a move of a stopped VM, or of one that runs there, only changes its home") {
  JobCase it;
  SECTION("stopped") {
    it.world.vm(web, WantedState::Stopped);
    it.world.own(web, "n2").released = true;
  }
  SECTION("there") {
    it.world.own(web, "n3");
    it.world.run(web);
  }
  it.world.job(1, "vm-move", web, {{"node", "n3"}});
  CHECK(it.take_up().arguments.at("phase") == "home");
  CHECK_FALSE(it.step());
  it.wish_is_seen();
  CHECK(it.result() == JobResult::Done);
  it.world.job(1, "vm-move", web, {{"node", "n3"}});
  CHECK(it.result() == JobResult::Skipped);
}

TEST_CASE("a move is refused before anything is stopped when the target cannot take the VM") {
  Running it;
  JobRecord& job = it.world.job(1, "vm-move", web, {{"node", "n3"}});
  SECTION("no such node") { job.arguments["node"] = "n9"; }
  SECTION("lost") { it.world.lose("n3"); }
  SECTION("not in the node limit") { it.world.vm(web).node_limit = {"n2"}; }
  SECTION("too small") { it.world.node("n3").memory_total = gib; }
  SECTION("local disks (rule 12)") { it.world.vm(web).disks[0].kind = DiskKind::Local; }
  SECTION("the twin that can") {
    CHECK(it.result() == JobResult::None);
    return;
  }
  CHECK(it.result() == JobResult::Refused);
  CHECK(it.changes_nothing());
}

TEST_CASE(
    "the home of a stopped VM is changed although its new home is away; not if its local disks are elsewhere (rule "
    "12)") {
  Stopped it;
  it.world.lose("n3").job(1, "vm-move", web, {{"node", "n3"}});
  SECTION("RBD") { it.take_up(); }
  SECTION("local, never owned") {
    it.world.vm(web).disks[0].kind = DiskKind::Local;
    it.world.view.owners.clear();
    it.take_up();
  }
  SECTION("local, there") {
    it.world.vm(web).disks[0].kind = DiskKind::Local;
    it.world.own(web, "n3").released = true;
    it.take_up();
  }
  SECTION("local, on n2") {
    it.world.vm(web).disks[0].kind = DiskKind::Local;
    CHECK(it.result() == JobResult::Refused);
    CHECK(it.says("its local disks are on n2"));
  }
}

// ----------------------------------------------------------------------------------------------------------------
// undefine

TEST_CASE("an undefine removes a stopped VM with its records, and is done when it is gone") {
  Stopped it;
  it.world.run(web, VmState::Stopped);
  it.world.job(1, "vm-undefine", web);
  it.take_up();
  CHECK_FALSE(it.step());
  const auto* remove = it.n1.with_key<RemoveVm>("vm/" + web);
  REQUIRE(remove);
  CHECK(remove->version == 3);
  CHECK(remove->owner_version == 21);
  CHECK(remove->run_version == 40);
  it.world.view.vms.clear();
  CHECK(it.result() == JobResult::Done);
}

TEST_CASE("an undefine of a VM that never had an owner") {
  JobCase it;
  it.world.vm(web, WantedState::Disabled);
  it.world.job(1, "vm-undefine", web, {}, JobState::Running);
  it.step();
  const auto* remove = it.n1.with_key<RemoveVm>("vm/" + web);
  REQUIRE(remove);
  CHECK_FALSE(remove->owner_version);
  CHECK_FALSE(remove->run_version);
}

TEST_CASE("an undefine is refused unless the VM is stopped and released, also when that changed under way") {
  Stopped it;
  it.world.job(1, "vm-undefine", web, {}, GENERATE(JobState::Queued, JobState::Running));
  SECTION("wanted") { it.world.vm(web).wanted = WantedState::Running; }
  SECTION("owned") { it.world.view.owners.at(web).value.released = false; }
  CHECK(it.result() == JobResult::Refused);
  CHECK_FALSE(it.n1.plans("vm/" + web));
}

TEST_CASE("an undefine that was still queued when its VM went is not taken for done") {
  JobCase it;
  it.world.job(1, "vm-undefine", web);
  CHECK(it.result() == JobResult::Failed);
}

// --------------------------------------------------------------------------------------------------------- two jobs at
// once

TEST_CASE("a newer wish about the same VM ends the older job, so that they do not undo each other for ever") {
  Running it;
  it.world.job(1, "vm-restart", web, {{"phase", "start"}}, JobState::Running);
  JobRecord& newer = it.world.job(2, "vm-stop", web, {}, JobState::Running);
  it.world.view.runs.clear();
  SECTION("not by one that has not been taken up and may be refused") { newer.state = JobState::Queued; }
  SECTION("not by one that has ended") { newer.state = JobState::Finished; }
  SECTION("not by one about another VM") { newer.object = mail; }
  SECTION("not by one with the same wish") {
    newer.type = "vm-restart";
    newer.arguments = {{"phase", "start"}};
  }
  SECTION("not by one about a node") { newer.type = "node-fence"; }
  SECTION("not by one of an unknown type") { newer.type = "vm-dance"; }
  SECTION("overtaken") {
    CHECK(it.result() == JobResult::Canceled);
    CHECK(it.message == "overtaken by job 2 (vm-stop)");
    CHECK(it.wish()->wanted == WantedState::Stopped);
    return;
  }
  CHECK(it.result() == JobResult::None);
}

TEST_CASE("a wish is put only while its job is as it was seen: one that is over may still look open") {
  Running it;
  it.world.job(1, "vm-stop", web, {}, JobState::Running);
  it.world.view.jobs.at(1).version = 7;
  it.step();
  const auto* update = it.n1.with_key<UpdateVm>("vm/" + web);
  REQUIRE(update);
  const auto changes = transaction_of(CoordinatorAct{*update}, it.world.view);
  REQUIRE(changes.has_value());
  CHECK(std::any_of(changes->begin(), changes->end(), [](const Change& change) {
    const auto* check = std::get_if<Check>(&change);
    return check && check->key == job_key(1) && check->version == 7;
  }));
}
