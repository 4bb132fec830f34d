// What other units decide in this node's name is announced by its core: each record once, and nobody else's.
#include "core/unit_decisions.hpp"

#include <filesystem>
#include <vector>

#include "fake_host.hpp"
#include "store/codec.hpp"
#include "store_case.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

struct Core {
  Core(Cluster& cluster, const std::string& file) : units(cluster, decisions, "n1", file) {
    decisions.on_announced([this](std::uint64_t, const std::string& json) {
      told.push_back(std::get<DecisionRecord>(store::decode<DecisionRecord>(json)).what);
    });
  }
  Decisions decisions;
  UnitDecisions units;
  std::vector<std::string> told;
};

struct UnitDecisionsCase : test::StoreCase {
  UnitDecisionsCase() { start(); }
  void start() { core = std::make_unique<Core>(cluster, folder.path / "announced-join"); }

  static store::Create decision(const std::string& what, const NodeName& node = "n1") {
    DecisionRecord record;
    record.what = what;
    record.node = node;
    return {paths::under(paths::decisions, "d"), store::encode(record), false, true};
  }
  // As the keepalive does it.
  void join(Incarnation life) {
    LiveRecord live;
    live.node = "n1";
    live.incarnation = life;
    write(
        {store::Create{paths::live_entry("n1", life), store::encode(live)}, decision("join " + std::to_string(life))});
    incarnation = life;
  }
  // As the election does it.
  void lead(const NodeName& node, Epoch epoch) {
    const std::string record = store::encode(LeaderRecord{epoch, node, 1});
    store::Operation put = store::Set{paths::leader, record};
    if (epoch == 1) put = store::Create{paths::leader, record};
    write({put, decision(node + " takes epoch " + std::to_string(epoch), node)});
    until([&] { return cluster.view().leader && cluster.view().leader->value.epoch == epoch; });
  }
  void write(std::vector<store::Operation> operations) {
    std::optional<store::CommitResult> result;
    opened->commit(std::move(operations), [&](const store::CommitResult& one) { result = one; });
    until([&] { return result.has_value(); });
    REQUIRE(result->code == store::CommitCode::Ok);
    last = result->created.back();
  }
  // Until nothing is left to be looked at.
  std::vector<std::string> told() {
    until([&] { return cluster.view().complete; });
    core->units.round(incarnation);
    until([&] { return !core->units.is_looking(); });
    return core->told;
  }

  test::Folder folder;
  std::unique_ptr<Core> core;
  Incarnation incarnation = 0;
  std::string last;
};

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("claims of this node are announced, each once, and those of others are not") {
  UnitDecisionsCase it;
  CHECK(it.told().empty());
  it.lead("n1", 1);
  CHECK(it.told() == Told{"n1 takes epoch 1"});
  it.lead("n2", 2);
  CHECK(it.told().size() == 1);
  it.lead("n3", 3);
  it.core->units.round(it.incarnation);
  CHECK_FALSE(it.core->units.is_looking());  // whom two others follow each other, this node has nothing to tell
  it.lead("n1", 4);
  CHECK(it.told() == Told{"n1 takes epoch 1", "n1 takes epoch 4"});
  CHECK(it.told().size() == 2);
}

TEST_CASE("what the core has announced itself is not announced again, and what nobody answered is announced late") {
  UnitDecisionsCase it;
  CHECK(it.told().empty());
  it.write({UnitDecisionsCase::decision("known")});
  DecisionRecord known;
  known.what = "known";
  it.core->decisions.announce(Level::Notice, known, it.last);
  it.write({UnitDecisionsCase::decision("without an answer")});
  it.lead("n1", 1);
  CHECK(it.told() == Told{"known", "without an answer", "n1 takes epoch 1"});
}

TEST_CASE("a join is announced once in a boot, also when the core starts after it or again") {
  UnitDecisionsCase it;
  it.join(4);
  it.write({UnitDecisionsCase::decision("of an earlier core")});
  CHECK(it.told() == Told{"join 4"});
  it.start();
  CHECK(it.told().empty());
  it.join(5);
  CHECK(it.told() == Told{"join 5"});
  it.start();
  CHECK(it.told().empty());
}
