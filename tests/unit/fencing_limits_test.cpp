// Who may fence whom, when and how many; later boots; and readiness, which is asked before the day.

#include "fencing_case.hpp"
#include "logic/round.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

// ------------------------------------------------------------------------------------------------------ brake and
// permission

namespace {

// n4 to n7 are lost, each with a VM; two may be switched off at a time. The store takes every fence.
struct Turns {
  World world;
  Coordinator n1{world};
  std::vector<NodeName> lost = {"n4", "n5", "n6", "n7"};

  Turns() {
    n1.settings.fences_at_once = 2;
    for (const NodeName& name : lost) {
      world.join(name).own("aaaaaaaa-0000-0000-0000-00000000000" + name.substr(1), name);
      world.lose(name);
    }
  }
  // Their BMCs say so, the others go on.
  Turns& round(const std::map<NodeName, PowerState>& power = {}) {
    n1.refresh().wait(milliseconds(250));
    world.beat_all_but("");
    for (const auto& [name, state] : power) n1.read(name, state);
    n1.round();
    for (const PutFence& put : n1.all<PutFence>())
      world.view.fences[put.record.victim.node] = {put.record, put.replaces.value_or(60) + 1};
    return *this;
  }
  std::set<NodeName> acting() const {
    std::set<NodeName> names;
    for (const auto& [name, fence] : world.view.fences)
      if (fence.value.phase == FencePhase::Acting) names.insert(name);
    return names;
  }
};

const std::map<NodeName, PowerState> all_on = {
    {"n4", PowerState::On}, {"n5", PowerState::On}, {"n6", PowerState::On}, {"n7", PowerState::On}};
using Names = std::set<NodeName>;

}  // namespace

TEST_CASE("the storm brake holds within one round and over rounds; the others have their turn later") {
  Turns it;
  it.round();
  CHECK(it.world.view.fences.size() == 4);
  CHECK(it.acting().empty());
  it.round(all_on);
  CHECK(it.acting() == Names{"n4", "n5"});
  it.round(all_on).round(all_on);
  CHECK(it.acting() == Names{"n4", "n5"});
  CHECK(it.world.view.fences.at("n7").value.note == "2 others are being switched off: it waits for its turn");
  it.world.fence("n4", FencePhase::Confirmed);
  it.world.prove("n5", EvidenceKind::Operator);  // its fence is open, but it needs no more turn
  it.round(all_on);
  CHECK(it.acting() == Names{"n5", "n6", "n7"});
}

TEST_CASE(
    "a fence that comes no further has no turn: a rack that lost its BMCs, too, keeps no other host waiting (S10)") {
  Turns it;
  it.round();
  SECTION("the BMCs are silent") {
    for (int i = 0; i < 3; ++i) it.round({{"n4", PowerState::Unknown}, {"n5", PowerState::Unknown}});
    CHECK(it.acting() == Names{"n4", "n5"});  // they are shut out of their disks instead
    it.round({{"n6", PowerState::On}, {"n7", PowerState::On}});
    CHECK(it.acting() == Names{"n4", "n5", "n6", "n7"});
  }
  SECTION("they accept the off, and the hosts stay on") {
    it.round(all_on);
    REQUIRE(it.acting() == Names{"n4", "n5"});
    it.round(all_on);
    for (const NodeName name : {"n4", "n5"}) it.n1.off_answer(name, Outcome::Done);
    it.round(all_on);
    it.n1.wait(seconds(31));
    it.round(all_on);
    it.round(all_on).round(all_on);
    CHECK(it.acting() == Names{"n4", "n5", "n6", "n7"});
  }
  SECTION("the next primary, which has seen nothing of it, has it from the record of the fence") {
    const std::uint64_t attempt = GENERATE(0u, 1u);
    for (const NodeName name : {"n4", "n5"}) it.world.fence(name, FencePhase::Acting).attempt = attempt;
    it.n1.memory = {};
    it.round().round({{"n6", PowerState::On}, {"n7", PowerState::On}});
    CHECK(it.acting() == (attempt > 0 ? Names{"n4", "n5", "n6", "n7"} : Names{"n4", "n5"}));
  }
}

TEST_CASE(
    "only the primary looks after others; the primary is looked after by any coordinator, which sends off only to what "
    "reads off (rule 9)") {
  World world;
  world.own(web, "n1");
  Coordinator n2{world, "n2"};
  n2.round();
  SECTION("a suspect primary") { n2.wait(seconds(3)); }
  SECTION("a lost primary") {
    world.lose("n1");
    n2.wait(seconds(3));
  }
  n2.round();
  CHECK(n2.plans("read/n1"));
  CHECK(n2.all<PutFence>().empty());
  n2.read("n1", PowerState::On).round();
  CHECK(n2.all<PutFence>().empty());
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  CHECK(n2.all<PutFence>().empty());
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  REQUIRE(n2.plans("fence/n1"));
  world.view.fences["n1"] = {n2.with_key<PutFence>("fence/n1")->record, 60};
  n2.done("fence/n1").round();
  REQUIRE(n2.plans("off/n1"));
  n2.off_answer("n1", Outcome::Done).round();
  n2.wait(seconds(1)).read("n1", PowerState::Off).round();
  CHECK(n2.plans("evidence/boot-n1-1"));
}

TEST_CASE("who is not primary judges nobody but the primary, and a client nobody at all") {
  World world;
  world.own(web, "n2");
  world.own(mail, "n1");
  world.lose("n2");
  Coordinator n3{world, "n3"};
  n3.round().wait(seconds(3)).round();
  CHECK_FALSE(n3.plans("fence/n2"));
  CHECK_FALSE(n3.plans("read/n2"));
  CHECK(n3.plans("read/n1"));
  Coordinator client{world, "n3"};
  client.settings.coordinators = {"n1", "n2"};
  client.round().wait(seconds(3)).round();
  CHECK(client.actions.empty());
}

TEST_CASE("a coordinator looks after the primary only while that one has the role") {
  World world;
  world.own(mail, "n1");
  bool has_role = false;
  SECTION("the twin that has it") { has_role = true; }
  SECTION("nobody ever had it") { world.view.leader.reset(); }
  SECTION("it was given back") { world.vacate(); }
  SECTION("it has joined anew since") { world.join("n1", 1, 2); }
  Coordinator n3{world, "n3"};
  n3.round().wait(seconds(3)).round();
  CHECK(n3.plans("read/n1") == has_role);
}

TEST_CASE("a node without proof of its session, declared dead, or with half a view does nothing (S5)") {
  FencingCase it;
  it.world.lose("n2");
  SECTION("no proof") { it.n1.may_act = false; }
  SECTION("half a view") { it.world.view.complete = false; }
  SECTION("declared dead") {
    it.world.prove("n1");
    it.world.live("n1").session = true;  // not seen yet
  }
  SECTION("the twin acts") {
    it.n1.round();
    CHECK_FALSE(it.n1.actions.empty());
    return;
  }
  it.n1.round();
  CHECK(it.n1.actions.empty());
}

// -------------------------------------------------------------------------------------------------------------
// maintenance

TEST_CASE("an off that is accepted late and changes nothing is sent again like any other (finding F14)") {
  Acting it;
  it.n1.round();
  REQUIRE(it.off());
  const Instant asked_at = it.n1.now;
  it.silence(seconds(31));  // the attempt is given up
  it.n1.answers.push_back(PowerActed{it.world.life("n2"), {Outcome::Done, ""}, asked_at, it.n1.now});
  it.n1.done("off/n2").round();
  for (int i = 0; i < 4 * 60 && !it.off(); ++i) {
    it.n1.refresh().read("n2", PowerState::On);
    it.silence(milliseconds(250));
  }
  CHECK(it.off());
}

TEST_CASE("in maintenance nobody is fenced; afterwards the lost node is (finding F25)") {
  FencingCase it;
  it.world.maintenance().lose("n2");
  for (int i = 0; i < 3; ++i) {
    it.n1.wait(seconds(2)).read("n2", PowerState::Off).round();
    CHECK_FALSE(it.put());
    CHECK_FALSE(it.off());
  }
  it.world.maintenance(false);
  it.n1.round();
  CHECK(it.put());
}

TEST_CASE("in maintenance a suspect that reads off is not fenced either") {
  FencingCase it;
  it.world.maintenance();
  it.silence(seconds(3));
  for (int i = 0; i < 3; ++i) it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
  CHECK_FALSE(it.put());
}

TEST_CASE(
    "maintenance stops a fence that is open: nothing more is sent, and what was sent already still becomes evidence") {
  Acting it;
  SECTION("before off") {
    it.world.maintenance();
    it.n1.round();
    CHECK_FALSE(it.off());
    CHECK(it.n1.plans("drop-fence/n2"));
  }
  SECTION("after off") {
    it.n1.round().off_answer("n2", Outcome::Done).round();
    it.world.maintenance();
    it.n1.wait(seconds(1)).read("n2", PowerState::Off).round();
    CHECK(it.evidence());
  }
}

TEST_CASE("in maintenance a node is fenced on request: jobs of people go on") {
  FencingCase it;
  it.world.maintenance().job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.world.fence("n2", FencePhase::Intent);
  it.n1.round();
  it.world.fence("n2", FencePhase::Acting);
  it.n1.round();
  CHECK(it.off());
}

// -------------------------------------------------------------------------------------------------------------- on
// request

TEST_CASE("a fence on request switches a living node off, although it beats all the while") {
  World world;
  Coordinator n1{world};
  world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  world.fence("n2", FencePhase::Intent);
  n1.round();
  REQUIRE(n1.plans("read/n2"));
  const Instant asked_at = n1.now;
  world.beat("n2");
  n1.wait(seconds(1)).round();
  world.beat("n2");
  n1.wait(seconds(1));
  n1.answers.push_back(PowerRead{"n2", "boot-n2-1", {PowerState::On, "uuid-n2", ""}, asked_at});  // a slow BMC
  n1.done("read/n2").round();
  // The beat of this round has thrown the history away; the next answer finds none.
  n1.answers.push_back(PowerRead{"n2", "boot-n2-1", {PowerState::On, "uuid-n2", ""}, n1.now});
  n1.done("read/n2").round();
  REQUIRE(n1.plans("fence/n2"));
  world.view.fences["n2"] = {n1.with_key<PutFence>("fence/n2")->record, 61};
  n1.done("fence/n2").round();
  CHECK(n1.plans("off/n2"));
  CHECK_FALSE(n1.plans("drop-fence/n2"));
}

TEST_CASE("a heartbeat neither begins nor lengthens the time that a host is given which may be booting after an off") {
  FencingCase it;
  it.world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  SECTION("nothing has been sent yet: there is nothing to wait for") {
    it.world.fence("n2", FencePhase::Intent);
    it.n1.round().read("n2", PowerState::On).round();
    it.fence_is_seen();
    it.world.beat("n2");
    it.n1.wait(seconds(1)).round();
    CHECK(it.off());
  }
  SECTION("it has had its time: the next off is sent at once") {
    it.world.fence("n2", FencePhase::Acting);
    it.n1.round().read("n2", PowerState::On).round();
    CHECK_FALSE(it.off());
    it.n1.wait(it.n1.settings.return_wait).round();
    REQUIRE(it.off());
    it.world.beat("n2");
    it.n1.wait(seconds(1)).done("off/n2", Outcome::Unknown).round();
    CHECK(it.off());
  }
}

TEST_CASE("a person's word says which better evidence was not there, and adds nothing to what the power proves") {
  Acting it;
  it.n1.round().off_answer("n2", Outcome::Done).round();
  it.world.job(1, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  it.n1.wait(seconds(1));
  SECTION("the power proves nothing yet") {
    it.n1.round();
    REQUIRE(it.evidence());
    CHECK(it.evidence()->record.kind == EvidenceKind::Operator);
    CHECK(it.rejected() == std::vector<std::string>{"power: its BMC took our off and has not read off since",
                                                    "later boot: it has not joined in a later boot"});
  }
  SECTION("it does") {
    it.n1.read("n2", PowerState::Off).round();
    REQUIRE(it.n1.all<CommitEvidence>().size() == 1);
    CHECK(it.evidence()->record.kind == EvidenceKind::Power);
    CHECK(it.rejected().empty());
  }
}

TEST_CASE("a fence is asked for only by a running job about this boot of this node") {
  World world;
  JobRecord& job = world.job(1, "node-fence", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
  const auto asked = [&] { return is_asked_off(world.view, world.node("n2")); };
  CHECK(asked());
  SECTION("queued") { job.state = JobState::Queued; }
  SECTION("finished") { job.state = JobState::Finished; }
  SECTION("another node") { job.object = "n3"; }
  SECTION("another job") { job.type = "node-verify-fence"; }
  SECTION("another boot") { job.arguments["boot_id"] = "boot-n2-0"; }
  SECTION("no boot") { job.arguments.clear(); }
  CHECK_FALSE(asked());
}

// -------------------------------------------------------------------------------------------------------------- later
// boots

TEST_CASE("a later boot is evidence about the one that owns VMs (evidence kind 2)") {
  FencingCase it;
  it.world.lose("n2").join("n2", 2, 2);
  it.world.own(mail, "n3");
  it.n1.round();
  REQUIRE(it.evidence());
  CHECK(it.n1.all<CommitEvidence>().size() == 1);
  CHECK(it.evidence()->record.kind == EvidenceKind::LaterBoot);
  CHECK(it.evidence()->record.life == Life{"n2", "boot-n2-1", 1});
  CHECK(it.evidence()->live_version == 100);
  CHECK_FALSE(it.evidence()->session);
  CHECK(it.evidence()->node_version == 20);
  CHECK_FALSE(it.evidence()->fence);
  CHECK_FALSE(it.put());
}

TEST_CASE("a later incarnation of the same boot is evidence of nothing") {
  FencingCase it;
  it.world.lose("n2").join("n2", 1, 2);
  it.n1.round();
  CHECK(it.n1.all<CommitEvidence>().empty());
}

TEST_CASE("a later boot is noted once, by the primary, and only for what is still owned") {
  FencingCase it;
  it.world.lose("n2").join("n2", 2, 2);
  it.world.view.live.erase({"n2", 1});
  SECTION("the twin without a live entry of the old life") {
    it.n1.round();
    REQUIRE(it.evidence());
    CHECK_FALSE(it.evidence()->live_version);
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("there is evidence already") {
    it.world.view.evidence["boot-n2-1"] = {EvidenceRecord{}, 1};
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("there is evidence about its disks, and which disks the VM has cannot be seen") {
    it.world.view.evidence["boot-n2-1"] = {EvidenceRecord{}, 1};
    it.world.view.evidence["boot-n2-1"].value.kind = EvidenceKind::Storage;
    it.world.view.vms.erase(web);
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("released") {
    it.world.view.owners.at(web).value.released = true;
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("the node's record is gone") {
    it.world.view.nodes.erase("n2");
    it.n1.round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("another coordinator") {
    Coordinator n3{it.world, "n3"};
    n3.round();
    CHECK(n3.all<CommitEvidence>().empty());
  }
}

// ----------------------------------------------------------------------------------------------------------------
// readiness

TEST_CASE("the BMC of each living node is asked before the day it is needed, and at an interval") {
  World world;
  Coordinator n1{world};
  world.lose("n3");
  n1.round();
  CHECK(n1.plans("ready/n2"));
  CHECK_FALSE(n1.plans("ready/n3"));
  n1.read("n2", PowerState::On).round();
  const auto* put = n1.with_key<PutReadiness>("readiness/n2");
  for (const CoordinatorAction& action : n1.actions) CHECK_FALSE(action.why.because.empty());
  REQUIRE(put);
  CHECK(put->record == ReadinessRecord{"boot-n2-1", true, ""});
  CHECK_FALSE(put->replaces);
  world.view.readiness["n2"] = {put->record, 5};
  n1.refresh().wait(seconds(59));
  world.beat_all_but("");
  n1.round();
  CHECK_FALSE(n1.plans("ready/n2"));
  n1.refresh().wait(seconds(1)).round();
  CHECK(n1.plans("ready/n2"));
  n1.read("n2", PowerState::On).round();
  CHECK_FALSE(n1.plans("readiness/n2"));  // nothing new
}

TEST_CASE("the BMC of the primary is asked by another coordinator, which would have to fence it") {
  World world;
  Coordinator n1{world}, n2{world, "n2"}, n3{world, "n3"};
  n1.round();
  n2.round();
  n3.round();
  CHECK_FALSE(n1.plans("ready/n1"));
  CHECK(n1.plans("ready/n3"));
  CHECK(n2.plans("ready/n1"));
  CHECK_FALSE(n2.plans("ready/n3"));
  CHECK(n3.all<ReadPower>().empty());
  n1.read("n1", PowerState::On).round();
  CHECK_FALSE(n1.plans("readiness/n1"));
  n2.read("n1", PowerState::On).round();
  CHECK(n2.plans("readiness/n1"));
  SECTION("alone it asks its own") {
    world.lose("n2");
    world.lose("n3");
    n1.round();
    CHECK(n1.plans("ready/n1"));
  }
}

TEST_CASE("a BMC that gives no answer is asked about readiness less and less often, a new boot at once") {
  World world;
  Coordinator n1{world};
  n1.round();
  Microseconds expected = seconds(1);
  for (int i = 0; i < 8; ++i) {
    REQUIRE(n1.plans("ready/n2"));
    n1.read("n2", PowerState::Unknown, "timeout").refresh().round();
    n1.wait(expected - 1);
    world.beat_all_but("");
    n1.round();
    CHECK_FALSE(n1.plans("ready/n2"));
    n1.wait(1).round();
    expected = std::min(expected * 2, seconds(60));
  }
  world.join("n2", 2, 2);
  n1.refresh().round();
  CHECK(n1.plans("ready/n2"));
}

TEST_CASE(
    "a host that may be suspended is not ready to be fenced, whatever its BMC says, and the note says what to do") {
  World world;
  Coordinator n1{world};
  std::string& may_sleep = world.live("n2").value.may_sleep;
  may_sleep = "sleep.target is not masked";
  n1.round().read("n2", PowerState::On).round();
  const auto* put = n1.with_key<PutReadiness>("readiness/n2");
  REQUIRE(put);
  const std::string note =
      "it may be suspended or hibernated, and would write on in the same boot when it wakes: sleep.target is not "
      "masked; 'systemctl mask sleep.target' on it forbids that";
  CHECK(put->record == ReadinessRecord{"boot-n2-1", false, note});
  world.view.readiness["n2"] = {put->record, 5};
  n1.refresh().read("n2", PowerState::Unknown, "timeout").round();
  REQUIRE(n1.plans("readiness/n2"));
  CHECK(n1.with_key<PutReadiness>("readiness/n2")->record.note == "fencing it would fail: timeout; " + note);

  may_sleep.clear();
  world.beat_all_but("");
  n1.refresh().wait(seconds(10)).round();
  CHECK(n1.plans("ready/n2"));
  n1.read("n2", PowerState::On).round();
  REQUIRE(n1.plans("readiness/n2"));
  CHECK(n1.with_key<PutReadiness>("readiness/n2")->record == ReadinessRecord{"boot-n2-1", true, ""});
}

TEST_CASE("a host that is on record as ready, and may sleep from now on, is looked at again soon") {
  World world;
  Coordinator n1{world};
  world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", true, ""}, 5};
  n1.round().read("n2", PowerState::On).round().refresh();
  const bool may_sleep = GENERATE(true, false);
  if (may_sleep) world.live("n2").value.may_sleep = "sleep.target is not masked";
  world.beat_all_but("");
  n1.wait(seconds(1)).round();
  CHECK(n1.plans("ready/n2") == may_sleep);
}

TEST_CASE("while a node is being fenced its BMC is not asked about readiness") {
  World world;
  Coordinator n1{world};
  const FencePhase phase = GENERATE(FencePhase::Intent, FencePhase::Acting);
  world.fence("n2", phase);
  n1.round();
  CHECK_FALSE(n1.plans("ready/n2"));
  CHECK(n1.plans("ready/n3"));
  world.view.fences.clear();
  n1.refresh().round();
  CHECK(n1.plans("ready/n2"));
}

TEST_CASE("a node that could not be fenced is asked again soon, and so is one in a new boot") {
  World world;
  Coordinator n1{world};
  world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", false, "no answer"}, 5};
  world.view.readiness["n3"] = {ReadinessRecord{"boot-n3-0", true, ""}, 5};
  n1.round().refresh().wait(milliseconds(999)).round();
  CHECK_FALSE(n1.plans("ready/n2"));
  n1.refresh().wait(milliseconds(1)).round();
  CHECK(n1.plans("ready/n2"));
  CHECK(n1.plans("ready/n3"));
}

TEST_CASE("a read that was asked about another boot says nothing of whether this one could be fenced (rule 16)") {
  World world;
  Coordinator n1{world};
  n1.round().read_of_boot("boot-n2-0", "n2", PowerState::On).round();
  CHECK_FALSE(n1.plans("readiness/n2"));
  n1.read("n2", PowerState::On).round();
  CHECK(n1.plans("readiness/n2"));
}

TEST_CASE("readiness tells a wrong BMC from a silent one; only a read of on by a living node is ready") {
  World world;
  Coordinator n1{world};
  world.view.readiness["n2"] = {ReadinessRecord{"boot-n2-1", true, ""}, 5};
  n1.round();
  SECTION("off while it lives: it is another machine's") {
    n1.read("n2", PowerState::Off).round();
    REQUIRE(n1.plans("readiness/n2"));
    CHECK_FALSE(n1.with_key<PutReadiness>("readiness/n2")->record.fence_ready);
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->record.note.find("wrong BMC") != std::string::npos);
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->replaces == 5);
  }
  SECTION("no answer") {
    n1.read("n2", PowerState::Unknown, "timeout").round();
    REQUIRE(n1.plans("readiness/n2"));
    CHECK(n1.with_key<PutReadiness>("readiness/n2")->record.note == "fencing it would fail: timeout");
  }
  SECTION("its storage address may become another host's: it could not be shut out of its disks") {
    n1.settings.storage_fencer = "rbd-locks";
    world.view.nodes["n2"].value.storage_addresses = {"10.0.0.2"};
    world.view.nodes["n3"].value.floating_addresses = {"10.0.0.2"};
    n1.read("n2", PowerState::On).round();
    REQUIRE(n1.plans("readiness/n2"));
    const ReadinessRecord record = n1.with_key<PutReadiness>("readiness/n2")->record;
    CHECK_FALSE(record.fence_ready);
    CHECK(record.note ==
          "it could not be shut out of its disks: its storage address 10.0.0.2 is one of n3 that may move");
    world.view.nodes["n3"].value.floating_addresses = {};
    n1.read("n2", PowerState::On).round();
    CHECK_FALSE(n1.plans("readiness/n2"));  // as it was before
  }
  SECTION("off while it is not heard any more: it may be dying, and is no reason to warn") {
    n1.heard["n2"] = {1, n1.now};
    n1.round().refresh().wait(quiet_after + 1);
    n1.read("n2", PowerState::Off).round();
    CHECK_FALSE(n1.plans("readiness/n2"));
    n1.read("n2", PowerState::Unknown, "timeout").round();
    CHECK(n1.plans("readiness/n2"));  // the twin: that is told all the same
  }
  SECTION("a read about a node that is lost says nothing about readiness") {
    world.lose("n2");
    n1.read("n2", PowerState::Off).round();
    CHECK_FALSE(n1.plans("readiness/n2"));
  }
  SECTION("nor about one that does not exist") {
    n1.read("n9", PowerState::On).round();
    CHECK_FALSE(n1.plans("readiness/n9"));
  }
}
