// How requests about VMs meet each other, choose a node, and end when nothing comes true.

#include "job_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

using Running = RunningJobCase;
using Stopped = StoppedJobCase;

}  // namespace

TEST_CASE("who is stopped on the way to a start is wanted all the same: other jobs see that") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.view.owners.at(web).value.released = true;
  JobRecord& restart = it.world.job(1, "vm-restart", web, {{"phase", "stop"}}, JobState::Running);
  SECTION("an undefine is refused") {
    it.world.job(2, "vm-undefine", web);
    CHECK(it.result(2) == JobResult::Refused);
  }
  SECTION("a move starts it on the other node") {
    it.world.job(2, "vm-move", web, {{"node", "n3"}});
    CHECK(it.take_up(2).arguments.at("phase") == "stop");
  }
  SECTION("a stop is not skipped, and is done only when the restart has ended") {
    it.world.job(2, "vm-stop", web);
    it.take_up(2);
    it.step(2);
    it.wish_is_seen();
    CHECK(it.result(2) == JobResult::None);
    restart.state = JobState::Finished;
    CHECK(it.result(2) == JobResult::Done);
  }
  SECTION("their twins after the restart has ended, or of another VM's restart") {
    SECTION("ended") { restart.state = JobState::Finished; }
    SECTION("of another VM") {
      it.world.vm(mail, WantedState::Stopped);
      restart.object = mail;
    }
    it.world.job(2, "vm-move", web, {{"node", "n3"}});
    CHECK(it.take_up(2).arguments.at("phase") == "home");
    it.world.view.jobs.erase(2);
    it.world.job(2, "vm-undefine", web);
    it.take_up(2);
  }
}

TEST_CASE("of two moves to different nodes the newer one counts; of two to the same node both end well") {
  Running it;
  it.world.job(1, "vm-move", web, {{"node", "n1"}, {"phase", "stop"}}, JobState::Running);
  JobRecord& newer = it.world.job(2, "vm-move", web, {{"node", "n3"}, {"phase", "stop"}}, JobState::Running);
  CHECK(it.result() == JobResult::Canceled);
  CHECK(it.message == "overtaken by job 2 (vm-move)");
  newer.arguments["node"] = "n1";
  CHECK(it.result() == JobResult::None);
}

TEST_CASE("a stop is not ended by what was said of the VM before the present owner had it") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "vm-shutdown", web, {}, JobState::Running).mark = 5;
  SECTION("nothing") { it.world.view.runs.clear(); }
  SECTION("of an earlier generation") {
    it.world.view.runs.at(web).value.generation = 0;
    it.world.view.runs.at(web).value.attempt = 6;
    it.world.view.runs.at(web).value.reason = "the release is pending";
  }
  CHECK(it.result() == JobResult::None);
}

// ------------------------------------------------------------------------------------------------------------ no
// target

TEST_CASE("a move without a node goes to the one that fits best, away from where the VM is") {
  Running it;
  JobRecord& job = it.world.job(1, "vm-move", web, {{"node", ""}});
  SECTION("running: not where it runs") {
    it.world.node("n1").memory_total = 32 * gib;
    CHECK(it.take_up().arguments.at("node") == "n3");
    CHECK(job.arguments.at("phase") == "stop");
  }
  SECTION("stopped: not its home") {
    it.world.view.owners.at(web).value.released = true;
    it.world.vm(web).wanted = WantedState::Stopped;
    it.world.vm(web).home = "n3";
    it.world.node("n1").memory_total = 32 * gib;
    CHECK(it.take_up().arguments.at("node") == "n2");
    CHECK(job.arguments.at("phase") == "home");
  }
  SECTION("nowhere else") {
    it.world.vm(web).node_limit = {"n2"};
    CHECK(it.result() == JobResult::Refused);
    CHECK(it.says("n2: it is to leave this one"));
    CHECK(it.changes_nothing());
  }
}

// ----------------------------------------------------------------------------------------------------------------
// units

TEST_CASE("a start on a node whose hypervisor does not work ends with the unit's name") {
  Stopped it;
  it.world.vm(web).wanted = WantedState::Running;
  it.world.own(web, "n2", 2);
  it.n1.settings.needs.plugins = {"libvirt"};
  for (const char* name : {"n1", "n2", "n3"}) it.world.live(name).value.units["libvirt"] = {"running", 0, ""};
  it.world.job(1, "vm-start", web, {}, JobState::Running);
  CHECK(it.result() == JobResult::None);  // the twin: it is being started
  it.world.live("n2").value.units["libvirt"].age = seconds(11);
  CHECK(it.result() == JobResult::Refused);
  CHECK(it.says("n2: pvcd-libvirt.service has not reported"));
}

// ---------------------------------------------------------------------------------------------------------------
// limits

TEST_CASE("every job has an end: after its limit it says what it waited for") {
  Running it;
  it.world.lose("n2");
  it.world.fence("n2", FencePhase::Acting).note = "the BMC gives no answer";
  it.world.job(1, "vm-start", web, {}, JobState::Running);
  CHECK(it.result() == JobResult::None);
  it.n1.wait(find_job_type("vm-start")->limit - 1);
  CHECK(it.result() == JobResult::None);
  it.n1.wait(1);
  CHECK(it.result() == JobResult::Timeout);
  CHECK(it.message ==
        "not within 60 minutes: waiting for proof that n2 is off: the BMC gives no answer; it stays wanted");
  CHECK_FALSE(it.wish());
}

TEST_CASE("a request that ends at its limit says of a VM without a node why it has none, as far as that is known") {
  Running it;
  it.world.job(1, "vm-start", web, {}, JobState::Running);
  std::string missing;
  SECTION("its host was proven off only now, and no other has room") {
    it.world.lose("n2");
    CHECK(it.result() == JobResult::None);
    it.world.prove("n2");
    it.world.vm(web).node_limit = {"n2"};
    missing = "no node can take it now: n1: not in the node limit";
  }
  SECTION("it is assigned again and again, and the store never shows it") {
    it.world.view.owners.clear();
    CHECK(it.result() == JobResult::None);
    missing = "waiting for a node; it stays wanted";
  }
  it.n1.wait(find_job_type("vm-start")->limit);
  it.world.beat_all_but("n2");
  CHECK(it.result() == JobResult::Timeout);
  CHECK(it.message.starts_with("not within 60 minutes: " + missing));
  CHECK(it.message.ends_with("; it stays wanted"));
}

TEST_CASE("no type of job is without a limit, and what asks a guest waits for it besides") {
  for (const JobType& type : job_types) CHECK(type.limit > 0);
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "vm-shutdown", web, {}, JobState::Running);
  CHECK(it.result() == JobResult::None);
  it.n1.wait(find_job_type("vm-shutdown")->limit);
  CHECK(it.result() == JobResult::None);
  it.n1.wait(it.n1.settings.shutdown_timeout);
  CHECK(it.result() == JobResult::Timeout);
  CHECK(it.says("waiting for n2"));
}

TEST_CASE("a restart that gives up leaves no VM stopped that nobody wanted stopped") {
  Running it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.world.job(1, "vm-restart", web, {{"phase", GENERATE(std::string("stop"), std::string("start"))}},
               JobState::Running);
  it.world.view.runs.at(web).value.state = VmState::Stopping;
  it.n1.round().wait(2 * find_job_type("vm-restart")->limit);
  it.world.beat_all_but("");
  CHECK_FALSE(it.step());
  REQUIRE(it.wish());
  CHECK(it.wish()->wanted == WantedState::Running);
  it.wish_is_seen();
  CHECK(it.result() == JobResult::Timeout);
}

TEST_CASE("the limit counts anew for another primary: no clock of another machine is compared") {
  Running it;
  it.world.lose("n2");
  it.world.job(1, "vm-start", web, {}, JobState::Running).start_time = 1;
  it.n1.wait(seconds(100000));
  CHECK(it.result() == JobResult::None);
}

TEST_CASE("the memory of jobs goes with them") {
  Running it;
  it.world.lose("n2");
  it.world.job(1, "vm-start", web, {}, JobState::Running);
  it.n1.round();
  CHECK(it.n1.memory.job_began.size() == 1);
  it.world.view.jobs.clear();
  it.n1.round();
  CHECK(it.n1.memory.job_began.empty());
}
