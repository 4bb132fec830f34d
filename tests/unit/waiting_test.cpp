// Why a VM is not as it is wanted, in the one sentence that every node shows of it.
#include "logic/waiting.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

struct WaitingCase {
  World world;

  std::string missing() { return what_is_missing(world.view, world.vm(web), {}); }
};

// web1 belongs to n2, which lives.
struct Owned : WaitingCase {
  Owned() { world.own(web, "n2", 2); }
};

}  // namespace

TEST_CASE("a VM that no host may run waits for a primary, or for what the primary says") {
  WaitingCase it;
  const auto not_wanted = GENERATE(WantedState::Stopped, WantedState::Disabled);
  SECTION("it never had an owner") { it.world.vm(web); }
  SECTION("its owner released it") { it.world.own(web, "n2").released = true; }
  SECTION("its owner is proven off") {
    it.world.own(web, "n2");
    it.world.prove("n2");
  }
  CHECK(it.missing().empty());  // it is about to be assigned
  it.world.view.waiting[web] = {WaitingRecord{"no node can take it now: n1: not in state run"}, 1};
  CHECK(it.missing() == "no node can take it now: n1: not in state run");
  it.world.vacate();
  CHECK(it.missing() == "waiting for a primary: no coordinator has the role");
  it.world.vm(web).wanted = not_wanted;
  CHECK(it.missing().empty());  // it is as it is wanted
}

TEST_CASE("a VM of a host that nobody reaches waits for the proof that the host is off, and says what delays it") {
  Owned it;
  it.world.run(web);
  it.world.vm(web).wanted = GENERATE(WantedState::Running, WantedState::Stopped);
  it.world.lose("n2");
  const std::string why = "waiting for proof that n2 is off";
  CHECK(it.missing() == why);
  FenceRecord& fence = it.world.fence("n2", FencePhase::Intent);
  CHECK(it.missing() == why);  // it has begun, and nothing went wrong yet
  fence.note = "the BMC gives no answer";
  CHECK(it.missing() == why + ": the BMC gives no answer");
  it.world.live("n2").value.self_fence = SelfFence{false, 0, 0, {}};
  CHECK(it.missing() == why + ": the BMC gives no answer; its watchdog is not armed, so that silence proves nothing");
  it.world.maintenance();
  CHECK(it.missing() == why + ": the cluster is in maintenance, nobody is fenced unless asked for");
  it.world.says("n2", DaemonState::Left);
  CHECK(it.missing() == why + ": it has left the cluster, and the VM may run on there");
}

TEST_CASE("a VM that runs as it is wanted misses nothing, whatever else is wrong with its host") {
  Owned it;
  it.world.run(web);
  CHECK(it.missing().empty());
  it.world.live("n2").value.units["core"] = {"stalled", 0, "no answer for 20 s"};
  CHECK(it.missing().empty());
  it.world.view.runs.at(web).value.reason = "its lock is another's";
  CHECK(it.missing() == "waiting for n2: pvcd.service is stalled: no answer for 20 s");
  it.world.live("n2").value.units["core"] = {"running", 0, ""};
  CHECK(it.missing() == "its lock is another's");
}

TEST_CASE("a VM that is not as it is wanted says what its living host says: of it, or else of itself") {
  Owned it;
  const bool wanted = GENERATE(true, false);
  it.world.vm(web).wanted = wanted ? WantedState::Running : WantedState::Stopped;
  SECTION("it has not been started") {}
  SECTION("it is being started, or stopped") {
    it.world.run(web, wanted ? VmState::Starting : VmState::Running);
    it.world.view.runs.at(web).value.reason = "image vms/disk1 is watched by 10.0.0.3";
    CHECK(it.missing() == "image vms/disk1 is watched by 10.0.0.3");
    it.world.view.runs.at(web).value.reason.clear();
  }
  SECTION("what is on record is about an earlier generation") {
    it.world.run(web).generation = 1;
    it.world.view.runs.at(web).value.reason = "old";
  }
  CHECK(it.missing().empty());
  it.world.live("n2").value.units["core"].note = "it has no proof of its session";
  CHECK(it.missing() == "waiting for n2: it has no proof of its session");
  it.world.live("n2").value.units["core"].age = seconds(11);
  CHECK(it.missing() ==
        "waiting for n2: pvcd.service has not reported for more than 10 s: it has no proof of its session");
}
