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
struct Case {
  World world;
  HighWaterMarks marks;

  Case() {
    world.own(web, "n2", 3);
    marks = check_high_water(world.view, {}).next;
  }
  HighWaterPlan check() const { return check_high_water(world.view, marks); }
};

}  // namespace

TEST_CASE("the first look at a store makes the marks, and the same store is not behind them") {
  const Case it;
  CHECK(it.marks == HighWaterMarks{"id", 7, {{web, 3}}});
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("a store that goes on raises the marks") {
  Case it;
  it.world.view.leader->value.epoch = 8;
  it.world.own(web, "n3", 4);
  it.world.own(mail, "n1", 1);
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == HighWaterMarks{"id", 8, {{web, 4}, {mail, 1}}});
}

TEST_CASE("a store that is behind in anything is named with both values, and changes no mark") {
  Case it;
  std::string why;
  SECTION("it has lost its cluster") {
    it.world.view.cluster.reset();
    why = "the store has no cluster, this node has seen cluster id";
  }
  SECTION("it is another cluster") {
    it.world.view.cluster->value.id = "other";
    why = "the store holds cluster other, this node belongs to id";
  }
  SECTION("its epoch is from before a claim") {
    it.world.view.leader->value.epoch = 6;
    it.world.own(mail, "n1", 1);
    why = "the store is at epoch 6, this node has seen 7";
  }
  SECTION("it has lost who is primary") {
    it.world.view.leader.reset();
    why = "the store is at epoch 0, this node has seen 7";
  }
  SECTION("it is from before a VM moved, though primaries have changed since") {
    it.world.view.leader->value.epoch = 9;
    it.world.own(web, "n2", 2);
    why = "the store has VM " + web + " at generation 2, this node has seen 3";
  }
  SECTION("it is from before a VM was first owned") {
    it.world.view.owners.clear();
    why = "the store has VM " + web + " at generation 0, this node has seen 3";
  }
  CHECK(it.check().behind == why);
  CHECK(it.check().next == it.marks);
}

TEST_CASE("an owner that cannot be read is not lost, and its mark stays") {
  Case it;
  it.world.view.owners.clear();
  it.world.view.broken["/owners/" + web] = "not a JSON text";
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("a store that has not been read completely is neither behind nor remembered") {
  Case it;
  it.world.view.complete = false;
  SECTION("it looks older") { it.world.view.owners.clear(); }
  SECTION("it looks newer") { it.world.view.leader->value.epoch = 8; }
  CHECK(it.check().behind.empty());
  CHECK(it.check().next == it.marks);
}

TEST_CASE("of a store that has no cluster yet a node remembers none") {
  ClusterView view;
  view.complete = true;
  const HighWaterPlan plan = check_high_water(view, {});
  CHECK(plan.behind.empty());
  CHECK(plan.next == HighWaterMarks{});
}
