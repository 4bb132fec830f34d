// A host that fences itself: its silence is evidence when it has lasted longer than its watchdog lets it live, on the
// observer's own clock, and nothing has been seen of it meanwhile.
#include <catch2/catch.hpp>

#include "fencing_case.hpp"
#include "logic/placement.hpp"
#include "logic/self_fence.hpp"
#include "logic/waiting.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

constexpr Microseconds long_enough = milliseconds(15400);  // 4 s + 10 s, and a tenth
constexpr Microseconds step = milliseconds(100);

// n2 owns web1 and has recorded that its watchdog is armed; its BMC says nothing.
struct Armed : FencingCase {
  Armed() {
    world.live("n2").value.self_fence = SelfFence{true, seconds(4), seconds(10), {}};
    world.beat("n2");
    n1.round().refresh();
  }
  SelfFence& words() { return *world.live("n2").value.self_fence; }
};

}  // namespace

TEST_CASE("silence proves that a watchdog has cut a host when all that it could live is over, and a tenth more") {
  Armed it;
  it.world.lose("n2");
  it.silence(long_enough);
  CHECK_FALSE(it.evidence());
  it.silence(step);
  REQUIRE(it.evidence());
  CHECK(it.evidence()->record.kind == EvidenceKind::Watchdog);
  CHECK(it.evidence()->record.life == it.world.life("n2"));
  CHECK(it.evidence()->record.facts.size() == 2);
  CHECK(it.evidence()->live_version == it.world.live("n2").version);
  CHECK_FALSE(it.evidence()->session);
  CHECK(it.evidence()->node_version == it.world.view.nodes.at("n2").version);
}

TEST_CASE("watchdog evidence says why each better kind was not there") {
  Armed it;
  const std::vector<std::string> no_facts = {"later boot: it has not joined in a later boot",
                                             "operator: nobody has confirmed that this boot is off"};
  const auto rejected = [&](const std::string& power) {
    it.silence(step);
    REQUIRE(it.evidence());
    CHECK(it.evidence()->record.kind == EvidenceKind::Watchdog);
    CHECK(it.rejected() == std::vector<std::string>{"power: " + power, no_facts[0], no_facts[1]});
  };
  it.world.lose("n2");
  SECTION("nobody has read its BMC") {
    it.n1.round();
    it.fence_is_seen();
    it.silence(long_enough);
    rejected("its BMC has not been read yet");
  }
  SECTION("its BMC is silent") {
    it.n1.round();
    it.fence_is_seen();
    it.n1.read("n2", PowerState::Unknown, "no answer").round().read("n2", PowerState::Unknown, "no answer").round();
    it.silence(long_enough);
    rejected("its BMC has not answered 2 reads in a row");
  }
  SECTION("its BMC took our off and reads on") {
    it.n1.round();
    it.fence_is_seen();
    it.n1.round().read("n2", PowerState::On).round();
    it.fence_is_seen();
    it.n1.round();
    REQUIRE(it.off());
    it.n1.off_answer("n2", Outcome::Done).round();
    it.silence(long_enough);
    rejected("its BMC took our off and has not read off since");
  }
  SECTION("its BMC took our off and is silent since") {
    it.n1.round();
    it.fence_is_seen();
    it.n1.round().read("n2", PowerState::On).round();
    it.fence_is_seen();
    it.n1.round().off_answer("n2", Outcome::Done).read("n2", PowerState::Unknown, "no answer").round();
    it.silence(long_enough);
    rejected("its BMC has not answered 1 read, after it took our off");
  }
  SECTION("its BMC refuses") {
    it.n1.round();
    it.fence_is_seen();
    it.n1.round().read("n2", PowerState::On).round();
    it.fence_is_seen();
    it.n1.round().off_answer("n2", Outcome::Refused, "not now").round();
    it.silence(long_enough);
    rejected("its BMC did not do what it was told, once: not now");
  }
  SECTION("another node is to switch it off") {
    it.world.fence("n2", FencePhase::Acting).by = "n3";
    it.silence(long_enough);
    rejected("n3 is the one that sends the off");
  }
  SECTION("maintenance") {
    it.world.maintenance();
    it.silence(long_enough);
    rejected("nothing is sent to its BMC in maintenance");
  }
  SECTION("it left in order") {
    it.world.says("n2", DaemonState::Left);
    it.silence(long_enough);
    rejected("nothing is sent to its BMC, because it left in order");
  }
}

TEST_CASE(
    "what reads off after our off is taken for that, also when its watchdog has had its time: power proves more") {
  Armed it;
  it.world.lose("n2");
  it.n1.round();
  it.fence_is_seen();
  it.n1.round().read("n2", PowerState::On).round();
  it.fence_is_seen();
  it.n1.round().off_answer("n2", Outcome::Done).wait(step).read("n2", PowerState::Off).round();
  REQUIRE(it.evidence());
  CHECK(it.rejected().empty());
  it.n1.done("evidence/boot-n2-1", Outcome::Unknown);  // the store does not take it for long
  it.silence(long_enough + step);
  REQUIRE(it.evidence());
  CHECK(it.evidence()->record.kind == EvidenceKind::Power);
}

TEST_CASE("nothing else makes silence evidence") {
  Armed it;
  SECTION("its watchdog is not on record as armed") {
    it.words() = {false, seconds(4), seconds(10), "no device"};
    it.world.lose("n2");
  }
  SECTION("it is not told to fence itself") {
    it.world.live("n2").value.self_fence.reset();
    it.world.lose("n2");
  }
  SECTION("its session has not ended") {}
  SECTION("there is no word of it left") {
    it.world.lose("n2");
    it.world.view.live.erase({"n2", 1});
  }
  SECTION("what is in view is of another boot") {
    it.world.live("n2").value.boot = "boot-n2-0";
    it.world.lose("n2");
  }
  SECTION("what it recorded is nonsense") {
    const auto nonsense = GENERATE(SelfFence{true, 0, 0, {}}, SelfFence{true, ~Microseconds{0}, seconds(1), {}},
                                   SelfFence{true, seconds(1), ~Microseconds{0}, {}});
    it.words() = nonsense;
    it.world.lose("n2");
  }
  for (int i = 0; i < 100; ++i) {
    it.silence(seconds(1));
    CHECK_FALSE(it.evidence());
  }
}

TEST_CASE("a sign of life begins the deadline anew, on the clock of who saw it") {
  Armed it;
  it.world.lose("n2");
  it.silence(long_enough);
  it.world.beat("n2");  // a heartbeat that was under way
  it.silence(step);
  CHECK_FALSE(it.evidence());
  it.silence(long_enough);
  CHECK_FALSE(it.evidence());
  it.silence(step);
  CHECK(it.evidence());
}

TEST_CASE("who begins to look begins to count, however long others have seen silence") {
  Armed it;
  it.world.lose("n2");
  Coordinator n3{it.world, "n3"};
  n3.now = it.n1.now + seconds(500);
  it.world.lose("n1");
  it.world.lead("n3", 8);
  n3.round().refresh().wait(long_enough);
  it.world.beat("n3");
  n3.round().refresh();
  CHECK_FALSE(n3.plans("evidence/boot-n2-1"));
  n3.wait(step).round();
  CHECK(n3.plans("evidence/boot-n2-1"));
}

TEST_CASE("a fence that is open is confirmed with it, whoever acts on it; one of another life is left alone") {
  Armed it;
  it.world.lose("n2");
  FenceRecord& fence = it.world.fence("n2", FencePhase::Acting);
  fence.by = "n3";
  SECTION("of this life") {
    it.silence(long_enough + step);
    REQUIRE(it.evidence());
    REQUIRE(it.evidence()->fence);
    CHECK(it.evidence()->fence->phase == FencePhase::Confirmed);
    CHECK(it.evidence()->fence_version == 60);
  }
  SECTION("of an earlier one") {
    fence.victim.boot = "boot-n2-0";
    it.silence(long_enough + step);
    REQUIRE(it.evidence());
    CHECK_FALSE(it.evidence()->fence);
  }
}

TEST_CASE("in maintenance nothing is done to a host, and what it does to itself is evidence all the same") {
  Armed it;
  it.world.maintenance().lose("n2");
  it.silence(long_enough + step);
  CHECK_FALSE(it.off());
  CHECK(it.evidence());
}

TEST_CASE("a host that should fence itself and cannot is no place for a VM, and says so") {
  Armed it;
  const auto objection_now = [&] {
    return objection(it.world.view, it.world.vm(mail), it.world.node("n2"), {}, it.n1.memory.sights, it.n1.now,
                     it.n1.settings);
  };
  CHECK(objection_now().empty());
  it.words() = {false, 0, 0, "/dev/watchdog0: No such file or directory"};
  CHECK(objection_now() == "its watchdog is not armed: /dev/watchdog0: No such file or directory");
  it.n1.round().read("n2", PowerState::On).round();
  const auto* readiness = it.n1.with_key<PutReadiness>("readiness/n2");
  REQUIRE(readiness);
  CHECK_FALSE(readiness->record.fence_ready);
  CHECK(readiness->record.note == "its watchdog is not armed: /dev/watchdog0: No such file or directory");
  it.n1.refresh().read("n2", PowerState::Unknown, "timeout").round();
  const auto* both = it.n1.with_key<PutReadiness>("readiness/n2");
  REQUIRE(both);
  CHECK(both->record.note ==
        "fencing it would fail: timeout; its watchdog is not armed: /dev/watchdog0: No such file or directory");
}

TEST_CASE("a host that is on record as ready, and whose watchdog is not armed any more, is looked at again soon") {
  Armed it;
  it.world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", true, ""}, 5};
  it.n1.read("n2", PowerState::On).round().refresh();
  const bool armed = GENERATE(true, false);
  it.words().armed = armed;
  it.silence(seconds(1));
  CHECK(it.n1.plans("ready/n2") != armed);
}

TEST_CASE("a node waits for the store to know that its watchdog is armed") {
  Armed it;
  const Life self = it.world.life("n2");
  CHECK(objection_of_watchdog(it.world.view, self).empty());
  SECTION("not yet") { it.words().armed = false; }
  SECTION("its entry is not in view") { it.world.view.live.erase({"n2", 1}); }
  SECTION("what is in view is of an earlier boot: incarnations began anew when the node's record had been removed") {
    it.world.live("n2").value.boot = "boot-n2-0";
  }
  SECTION("nothing at all") { it.world.live("n2").value.self_fence.reset(); }
  SECTION("that was another life of it") { it.world.join("n2", 1, 2); }
  CHECK_FALSE(objection_of_watchdog(it.world.view, it.world.life("n2")).empty());
}

TEST_CASE("a VM of a silent host says when its watchdog will have cut it, or that none does") {
  Armed it;
  it.world.lose("n2");
  const auto missing = [&] { return what_is_missing(it.world.view, it.world.vm(web), it.n1.settings.needs); };
  CHECK(missing() ==
        "waiting for proof that n2 is off; its watchdog has cut it for sure when it has been silent for 15400 ms");
  it.words().armed = false;
  CHECK(missing() == "waiting for proof that n2 is off; its watchdog is not armed, so that silence proves nothing");
  SECTION("it has none") { it.world.live("n2").value.self_fence.reset(); }
  SECTION("its entry is gone") { it.world.view.live.erase({"n2", 1}); }
  SECTION("its record is gone") { it.world.view.nodes.erase("n2"); }
  SECTION("it runs in a later boot, whose watchdog says nothing of the one that owns the VM") {
    it.world.join("n2", 2, 2).live("n2").value.self_fence = SelfFence{true, seconds(4), seconds(10), {}};
  }
  CHECK(missing() == "waiting for proof that n2 is off");
}

TEST_CASE("no VM is started before the store has it that a watchdog is armed, and people are told why") {
  Agent n2;
  n2.settings.needs_watchdog = true;
  n2.world.own(web, "n2");
  n2.world.live("n2").value.self_fence = SelfFence{false, 0, 0, "no proof of this boot yet"};
  n2.round().gone();
  CHECK_FALSE(n2.plans<RunHook>());
  REQUIRE(n2.plans<WriteRun>());
  CHECK(n2.plans<WriteRun>()->record.reason == "n2 starts no VM: its watchdog is not armed: no proof of this boot yet");
  n2.written();
  n2.world.live("n2").value.self_fence = SelfFence{true, seconds(4), seconds(10), {}};
  n2.wait(seconds(10)).gone();
  CHECK(n2.plans<RunHook>());
}
