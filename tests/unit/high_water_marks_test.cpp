// When a store is behind what a node has seen of it, and what the node remembers of one that is not (rule 15).
#include <catch2/catch.hpp>

#include "logic/high_water.hpp"
#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::mail;
using test::web;
using test::World;

namespace {

// Of cluster "id" at epoch 7, with web1 at generation 3, this node has seen everything.
struct HighWaterMarksCase {
  World world;
  HighWaterMarks marks;

  HighWaterMarksCase() {
    world.own(web, "n2", 3);
    marks = check_high_water(world.view, {}, "n1").next;
  }
  HighWaterPlan check() const { return check_high_water(world.view, marks, "n1"); }
  void say(const NodeName& name, Epoch epoch, bool accepted = false) {
    world.view.witnesses[name] = {WitnessRecord{epoch, "the store is at epoch 6", accepted}, 5};
  }
};

// The entry at this version, or that there is none: what refuses the word of one who has read something old.
std::string proof_in(const Changes& tell) {
  if (const auto* check = std::get_if<Check>(&tell.at(0)))
    return std::to_string(static_cast<int>(check->key.kind)) + check->key.name + "@" + std::to_string(check->version);
  const Key& key = std::get<Absent>(tell.at(0)).key;
  return std::to_string(static_cast<int>(key.kind)) + key.name + " absent";
}
std::string proof_of(Kind kind, const std::string& rest) { return std::to_string(static_cast<int>(kind)) + rest; }

}  // namespace

TEST_CASE("the first look at a store makes the marks, and the same store is not behind them") {
  const HighWaterMarksCase it;
  CHECK(it.marks == HighWaterMarks{"id", 7, "n1.1", {{web, 3}}});
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("a cluster that never had a primary is behind nothing that was seen of it") {
  HighWaterMarksCase it;
  it.world.view.leader.reset();
  it.marks = check_high_water(it.world.view, {}, "n1").next;
  CHECK(it.marks == HighWaterMarks{"id", 0, "", {{web, 3}}});
  CHECK(it.check().behind.empty());
}

TEST_CASE("a store that goes on raises the marks") {
  HighWaterMarksCase it;
  it.world.view.leader->value.epoch = 8;
  it.world.own(web, "n3", 4);
  it.world.own(mail, "n1", 1);
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == HighWaterMarks{"id", 8, "n1.1", {{web, 4}, {mail, 1}}});
}

TEST_CASE("a store that is behind in anything is named with both values, to all, and changes no mark") {
  HighWaterMarksCase it;
  std::string why;
  std::string proof;
  SECTION("it has lost its cluster") {
    it.world.view.cluster.reset();
    why = "the store has no cluster, this node has seen cluster id";
    proof = proof_of(Kind::Cluster, " absent");
  }
  SECTION("its epoch is from before a claim") {
    it.world.view.leader->value.epoch = 6;
    it.world.own(mail, "n1", 1);
    why = "the store is at epoch 6, this node has seen 7";
    proof = proof_of(Kind::Leader, "@" + std::to_string(it.world.view.leader->version));
  }
  SECTION("it has lost who is primary") {
    it.world.view.leader.reset();
    why = "the store is at epoch 0, this node has seen 7";
    proof = proof_of(Kind::Leader, " absent");
  }
  SECTION("the same epoch is another primary's") {
    it.world.view.leader->value = {7, "n3", 2};
    why = "the store has n3.2 as primary of epoch 7, this node has seen n1.1";
    proof = proof_of(Kind::Leader, "@" + std::to_string(it.world.view.leader->version));
  }
  SECTION("it is from before a VM moved, though primaries have changed since") {
    it.world.view.leader->value.epoch = 9;
    it.world.own(web, "n2", 2);
    why = "the store has VM " + web + " at generation 2, this node has seen 3";
    proof = proof_of(Kind::Owner, web + "@" + std::to_string(it.world.view.owners.at(web).version));
  }
  SECTION("it is from before a VM was first owned") {
    it.world.view.owners.clear();
    why = "the store has VM " + web + " at generation 0, this node has seen 3";
    proof = proof_of(Kind::Owner, web + " absent");
  }
  const HighWaterPlan plan = it.check();
  CHECK(plan.behind == why);
  CHECK(plan.next == it.marks);
  REQUIRE(plan.tell.size() == (it.world.view.leader ? 3 : 2));
  CHECK(proof_in(plan.tell) == proof);
  if (it.world.view.leader) {  // what others plan under it is refused from now on
    const Put& same = std::get<Put>(plan.tell[1]);
    CHECK(std::get<LeaderRecord>(same.record) == it.world.view.leader->value);
    CHECK(same.replaces == it.world.view.leader->version);
  }
  const Put& word = std::get<Put>(plan.tell.back());
  CHECK(word.key == Key{Kind::Witness, "n1"});
  CHECK(std::get<WitnessRecord>(word.record) == WitnessRecord{7, why, false});
  CHECK_FALSE(word.replaces);
}

TEST_CASE("what concerns this node alone is told to nobody else, and nothing is done here") {
  HighWaterMarksCase it;
  SECTION("it belongs to another cluster") {
    it.world.view.cluster->value.id = "other";
    CHECK_THAT(it.check().behind, Catch::Contains("holds cluster other, this node belongs to id"));
  }
  SECTION("an entry that it needs for that cannot be read") {
    const std::string path = GENERATE("/cluster", "/leader", "/witnesses/n1");
    it.world.view.leader.reset();
    it.world.view.broken[path] = "not a JSON text";
    CHECK(it.check().behind == "the store's " + path + " cannot be read");
  }
  CHECK(it.check().tell.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("a role that was given back is the same history: the twins of another primary's epoch") {
  HighWaterMarksCase it;
  it.world.vacate(7);
  CHECK(it.check().behind.empty());
  CHECK(it.check().next.primary == "n1.1");
  it.marks = {"id", 7, "", {{web, 3}}};
  it.world.view.leader->value = {7, "n3", 2};
  CHECK(it.check().behind.empty());
  CHECK(it.check().next.primary == "n3.2");
}

TEST_CASE("a word that has been said is not said again, and stands although the store is lifted to the marks") {
  HighWaterMarksCase it;
  it.say("n1", 7);
  SECTION("the store is behind") {
    it.world.view.leader->value.epoch = 6;
    CHECK(it.check().behind == "the store is at epoch 6, this node has seen 7");
  }
  SECTION("not any more") {
    it.world.view.leader->value.epoch = 8;
    CHECK(it.check().behind == "this node has said: the store is at epoch 6");
  }
  CHECK(it.check().tell.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("an own word about an older loss is said anew") {
  HighWaterMarksCase it;
  it.say("n1", 6);
  it.world.view.leader->value.epoch = 5;
  const Changes tell = it.check().tell;
  const Put& word = std::get<Put>(tell.back());
  CHECK(std::get<WitnessRecord>(word.record).epoch == 7);
  CHECK(word.replaces == 5);
}

TEST_CASE("the word of another node counts as its own, until an operator has decided") {
  HighWaterMarksCase it;
  it.world.view.leader->value.epoch = 8;
  it.say("n3", 9);
  CHECK(it.check().behind == "n3 says: the store is at epoch 6");
  CHECK(it.check().tell.empty());
  CHECK(it.check().next == it.marks);
  it.say("n3", 9, true);
  CHECK(it.check().behind.empty());
  CHECK(it.check().tell.empty());
  CHECK(it.check().next.epoch == 8);
  it.world.view.witnesses.clear();
  it.world.view.broken["/witnesses/n3"] = "not a JSON text";
  CHECK_THAT(it.check().behind, Catch::Contains("what n3 says of the store cannot be read"));
}

TEST_CASE("a path that only sorts near the words of others is none of them") {
  HighWaterMarksCase it;
  it.world.view.broken[GENERATE("/waiting/x", "/witnesses", "/witnesses1")] = "not a JSON text";
  CHECK(it.check().behind.empty());
}

TEST_CASE("what an operator has accepted becomes what this node has seen, and its word is taken back") {
  HighWaterMarksCase it;
  it.say("n1", 7, true);
  it.world.view.leader->value.epoch = 6;
  it.world.view.owners.clear();
  HighWaterPlan plan = it.check();
  CHECK(plan.behind.empty());
  CHECK(plan.next == HighWaterMarks{"id", 6, "n1.1", {}});
  REQUIRE(plan.tell.size() == 1);
  CHECK(std::get<Remove>(plan.tell[0]).key == Key{Kind::Witness, "n1"});
  CHECK(std::get<Remove>(plan.tell[0]).version == 5);
  SECTION("of an empty store nothing: this node may name a new cluster") {
    it.world.view = {};
    it.world.view.complete = true;
    it.say("n1", 7, true);
    CHECK(it.check().next == HighWaterMarks{});
  }
  SECTION("of what cannot be read the marks stay") {
    it.world.view.broken["/owners/" + web] = "not a JSON text";
    CHECK(it.check().next.generations == std::map<VmUuid, Generation>{{web, 3}});
  }
  SECTION("while another still says so, nobody acts") {
    it.say("n3", 8);
    CHECK(it.check().behind == "n3 says: the store is at epoch 6");
    CHECK(it.check().next.epoch == 6);
  }
}

TEST_CASE("what was accepted of another loss is in old data: it counts for nothing") {
  HighWaterMarksCase it;
  it.say("n1", 4, true);
  SECTION("the store is behind again") {
    it.world.view.leader->value.epoch = 6;
    const HighWaterPlan plan = it.check();
    CHECK(plan.behind == "the store is at epoch 6, this node has seen 7");
    CHECK(std::get<Put>(plan.tell.back()).replaces == 5);
  }
  SECTION("it is not: what is left of it goes") {
    const HighWaterPlan plan = it.check();
    CHECK(plan.behind.empty());
    CHECK(std::get<Remove>(plan.tell.at(0)).key == Key{Kind::Witness, "n1"});
  }
}

TEST_CASE(
    "an operator's acceptance is of all that was said, and the role is vacant at the highest epoch that was seen") {
  HighWaterMarksCase it;
  CHECK(acceptance(it.world.view).empty());
  it.say("n1", 7);
  it.say("n2", 5, true);
  SECTION("which the store has: its primary claims anew, so that no epoch is of two histories") {
    const Changes changes = acceptance(it.world.view);
    CHECK(std::get<LeaderRecord>(std::get<Put>(changes.back()).record) == LeaderRecord{7, {}, 0});
  }
  SECTION("also of a word that cannot be read") {
    it.world.view.broken["/witnesses/n4"] = "not a JSON text";
    const Changes changes = acceptance(it.world.view);
    REQUIRE(changes.size() == 3);
    CHECK(std::get<Remove>(changes[0]).key == Key{Kind::Witness, "n4"});
  }
  SECTION("which it lacks: the role is vacant") {
    it.say("n3", 9);
    const Changes changes = acceptance(it.world.view);
    REQUIRE(changes.size() == 3);
    CHECK(std::get<WitnessRecord>(std::get<Put>(changes[0]).record).accepted);
    CHECK(std::get<Put>(changes[1]).key == Key{Kind::Witness, "n3"});
    CHECK(std::get<Put>(changes[1]).replaces == 5);
    CHECK(std::get<LeaderRecord>(std::get<Put>(changes[2]).record) == LeaderRecord{9, {}, 0});
    CHECK(std::get<Put>(changes[2]).replaces == it.world.view.leader->version);
  }
  SECTION("who had it cannot be read") {
    it.world.view.leader.reset();
    it.world.view.broken["/leader"] = "not a JSON text";
    const Changes changes = acceptance(it.world.view);
    CHECK(std::get<Put>(changes.back()).replaces == any_version);
  }
  SECTION("nor has it any") {
    it.world.view.leader.reset();
    const Changes changes = acceptance(it.world.view);
    REQUIRE(changes.size() == 2);
    CHECK_FALSE(std::get<Put>(changes[1]).replaces);
  }
}

TEST_CASE("an owner that cannot be read is not lost, and its mark stays") {
  HighWaterMarksCase it;
  it.world.view.owners.clear();
  it.world.view.broken["/owners/" + web] = "not a JSON text";
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("a store that has not been read completely is neither behind nor remembered") {
  HighWaterMarksCase it;
  it.world.view.complete = false;
  SECTION("it looks older") { it.world.view.owners.clear(); }
  SECTION("it looks newer") { it.world.view.leader->value.epoch = 8; }
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("of a store that has no cluster yet a node remembers none") {
  ClusterView view;
  view.complete = true;
  const HighWaterPlan plan = check_high_water(view, {}, "n1");
  CHECK(plan.behind.empty());
  CHECK(plan.next == HighWaterMarks{});
}
