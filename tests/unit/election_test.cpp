#include "logic/election.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::World;

namespace {

// n2 looks at who leads.
struct Candidate {
  World world;
  ElectionSettings settings{{"n1", "n2", "n3"}, seconds(10), seconds(5)};
  ElectionMemory memory;
  Instant now = seconds(100);
  NodeName name = "n2";

  std::optional<ClaimRequest> claim() {
    ElectionPlan plan = decide_election({world.view, world.life(name), now}, settings, memory);
    memory = plan.next;
    return plan.claim;
  }
};

}  // namespace

TEST_CASE(
    "nobody claims while the holder's incarnation is alive; the twin whose session is gone is replaced (rule 14)") {
  Candidate it;
  CHECK_FALSE(it.claim());
  it.world.lose("n1");
  const auto claim = it.claim();
  REQUIRE(claim);
  CHECK(claim->self == it.world.life("n2"));
  CHECK(claim->leader_version == 7);
  CHECK(claim->expected == LeaderRecord{7, "n1", 1});
  CHECK_FALSE(claim->holder_stale);
}

TEST_CASE("a leadership of an older incarnation counts for nothing, although the node lives") {
  Candidate it;
  it.world.join("n1", 1, 2);
  CHECK_FALSE(it.claim());  // the old session has not ended
  it.world.view.live.at({"n1", 1}).session = false;
  CHECK(it.claim());
}

TEST_CASE("a cluster that never had a primary and one whose role was given back are claimed alike") {
  Candidate it;
  it.world.view.leader.reset();
  auto first = it.claim();
  REQUIRE(first);
  CHECK(first->leader_version == any_version);
  CHECK(first->expected == LeaderRecord{});
  it.world.vacate(9);
  auto vacant = it.claim();
  REQUIRE(vacant);
  CHECK(vacant->expected.epoch == 9);
}

TEST_CASE("a holder that lives is replaced only when its published core age exceeds twice its limit (rule 10)") {
  Candidate it;
  it.world.core_age("n1", seconds(20));
  CHECK_FALSE(it.claim());
  it.world.core_age("n1", seconds(20) + 1);
  const auto claim = it.claim();
  REQUIRE(claim);
  CHECK(claim->holder_stale);
}

TEST_CASE("a holder that publishes no core age is not stale") {
  Candidate it;
  it.world.live("n1").value.units.clear();
  CHECK_FALSE(it.claim());
}

TEST_CASE("the holder does not claim against itself, however old its core looks") {
  Candidate it;
  it.name = "n1";
  it.world.core_age("n1", seconds(30));
  CHECK_FALSE(it.claim());
}

TEST_CASE("only a coordinator that is fit claims") {
  Candidate it;
  it.world.vacate();
  SECTION("the twin: all is well") { CHECK(it.claim()); }
  SECTION("its core decides just in time") {
    it.world.core_age("n2", seconds(10));
    CHECK(it.claim());
  }
  SECTION("a client never claims") {
    it.settings.coordinators = {"n1", "n3"};
    CHECK_FALSE(it.claim());
  }
  SECTION("without its own session (S5)") {
    it.world.lose("n2");
    CHECK_FALSE(it.claim());
  }
  SECTION("without its own live entry") {
    it.world.view.live.erase({"n2", 1});
    CHECK_FALSE(it.claim());
  }
  SECTION("while it starts up or leaves") {
    it.world.says("n2", DaemonState::Shutdown);
    CHECK_FALSE(it.claim());
  }
  SECTION("with a core that does not decide any more: no zombie primaries") {
    it.world.core_age("n2", seconds(10) + 1);
    CHECK_FALSE(it.claim());
  }
  SECTION("with a core that never reported") {
    it.world.live("n2").value.units.clear();
    CHECK_FALSE(it.claim());
  }
  SECTION("before everything has been read") {
    it.world.view.complete = false;
    CHECK_FALSE(it.claim());
  }
}

TEST_CASE("maintenance does not hinder the election (finding F25)") {
  Candidate it;
  it.world.maintenance().lose("n1");
  CHECK(it.claim());
}

TEST_CASE("others stand back for a node that was asked to become primary, but not for ever") {
  Candidate it;
  it.world.vacate().job(1, "node-become-primary", "n3");
  CHECK_FALSE(it.claim());
  it.now += seconds(5) - 1;
  CHECK_FALSE(it.claim());
  it.now += 1;
  CHECK(it.claim());
}

TEST_CASE("nobody stands back for a node that cannot become primary") {
  Candidate it;
  it.world.vacate();
  JobRecord& job = it.world.job(1, "node-become-primary", "n3");
  SECTION("the twin: it can") { CHECK_FALSE(it.claim()); }
  SECTION("it is this node") {
    job.object = "n2";
    CHECK(it.claim());
  }
  SECTION("the job has finished") {
    job.state = JobState::Finished;
    CHECK(it.claim());
  }
  SECTION("another kind of job") {
    job.type = "node-fence";
    CHECK(it.claim());
  }
  SECTION("it never joined") {
    job.object = "n9";
    CHECK(it.claim());
  }
  SECTION("it is no coordinator") {
    it.settings.coordinators = {"n1", "n2"};
    CHECK(it.claim());
  }
  SECTION("it has no session") {
    it.world.lose("n3");
    CHECK(it.claim());
  }
  SECTION("its core does not decide") {
    it.world.core_age("n3", seconds(11));
    CHECK(it.claim());
  }
}

TEST_CASE("a node that was asked to step down stands back too, and takes the role again if nobody else does") {
  Candidate it;
  it.world.vacate().job(1, "node-step-down", "n2", {}, JobState::Running);
  CHECK_FALSE(it.claim());
  it.now += seconds(5);
  CHECK(it.claim());
  Candidate other;
  other.world.vacate().job(1, "node-step-down", "n1", {}, JobState::Running);
  CHECK(other.claim());
}

TEST_CASE("a new vacancy begins a new wait") {
  Candidate it;
  it.world.vacate().job(1, "node-become-primary", "n3");
  CHECK_FALSE(it.claim());
  it.now += seconds(5);
  CHECK(it.claim());
  it.world.lead("n1", 8);
  CHECK_FALSE(it.claim());
  it.now += seconds(60);
  it.world.vacate(8);
  CHECK_FALSE(it.claim());
}

namespace {

// n2 sees the whole store for the first time, and the role is vacant.
struct Newcomer : Candidate {
  Newcomer() {
    settings.hearing_wait = seconds(12);
    settings.away_limit = seconds(6);
    world.vacate();
    for (const char* other : {"n1", "n3"}) world.core_age(other, 0);
    CHECK_FALSE(claim());
  }
  void beat(const NodeName& other, Microseconds age) {
    world.core_age(other, age);
    ++world.live(other).version;
  }
  bool claims_after(Microseconds time) {
    now += time;
    return claim().has_value();
  }
};

}  // namespace

TEST_CASE("a node that has just joined hears the others before it claims (rule 15)") {
  Newcomer it;
  const auto waits_in_vain = [&] {
    const Instant until = seconds(100) + it.settings.hearing_wait;
    while (it.now + seconds(1) < until) CHECK_FALSE(it.claims_after(seconds(1)));
    CHECK_FALSE(it.claims_after(until - it.now - 1));
    return it.claims_after(1);
  };
  it.now += seconds(2) + 1;
  it.beat("n1", 0);
  SECTION("the twin: all have decided since") {
    it.beat("n3", 0);
    CHECK(it.claim());
    it.world.lose("n3");  // that they have is not forgotten
    CHECK(it.claims_after(1));
  }
  SECTION("what one decided may be older than the join") {
    it.beat("n3", 1);
    CHECK_FALSE(it.claim());
    CHECK(waits_in_vain());
  }
  SECTION("the heartbeat of one came too soon, and no other") {
    it.now -= 1;
    it.beat("n3", 0);
    CHECK_FALSE(it.claim());
    CHECK(waits_in_vain());
  }
  SECTION("the entry of one is what was found: it may be a copy of an older day") { CHECK(waits_in_vain()); }
  SECTION("it is the entry of one that is no coordinator, and remembers all the same") {
    it.settings.coordinators = {"n1", "n2"};
    CHECK(waits_in_vain());
  }
  SECTION("one has no session") {
    it.beat("n3", 0);
    it.world.lose("n3");
    CHECK(waits_in_vain());
  }
  SECTION("one has left no entry") {
    it.world.view.live.erase({"n3", 1});
    CHECK(waits_in_vain());
  }
  SECTION("the core of one says nothing") {
    it.beat("n3", 0);
    it.world.live("n3").value.units.clear();
    CHECK(waits_in_vain());
  }
  SECTION("the core of one has not decided: it may be about to say what it misses") {
    it.beat("n3", 0);
    it.world.live("n3").value.units["core"].state = "starting";
    CHECK(waits_in_vain());
  }
  SECTION("a coordinator is not in the store at all") {
    it.beat("n3", 0);
    it.settings.coordinators.push_back("n4");
    CHECK(waits_in_vain());
  }
}

TEST_CASE("who joins anew or was away hears the others anew, who stays does not (rule 15)") {
  Newcomer it;
  CHECK_FALSE(it.claims_after(seconds(6)));
  CHECK(it.claims_after(seconds(6)));
  it.world.lose("n3");
  CHECK(it.claims_after(seconds(6)));
  CHECK_FALSE(it.memory.must_hear);
  SECTION("it joins anew") {
    it.world.join("n2", 1, 2);
    CHECK_FALSE(it.claims_after(1));
  }
  SECTION("its core has been started again, and knows of nothing before that") {
    it.memory = {};
    CHECK_FALSE(it.claims_after(1));
  }
  SECTION("it was away") { CHECK_FALSE(it.claims_after(seconds(6) + 1)); }
  SECTION("it did not see the whole store") {
    it.world.view.complete = false;
    CHECK_FALSE(it.claims_after(seconds(6)));
    it.world.view.complete = true;
    CHECK_FALSE(it.claims_after(1));
  }
  CHECK(it.memory.must_hear);
  CHECK_FALSE(it.claims_after(seconds(6)));
  CHECK(it.claims_after(seconds(6)));
  CHECK_FALSE(it.memory.must_hear);
  CHECK(it.memory.beats.empty());
}

TEST_CASE("the only node of a cluster has nobody to hear") {
  Candidate it;
  it.settings = {{"n2"}, seconds(10), seconds(5), seconds(12), seconds(6)};
  it.world.vacate();
  std::erase_if(it.world.view.nodes, [](const auto& node) { return node.first != "n2"; });
  CHECK(it.claim());
}
