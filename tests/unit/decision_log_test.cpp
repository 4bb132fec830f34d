// How many decision records stay in the store.
#include "core/decision_log.hpp"

#include <algorithm>
#include <optional>

#include "store/codec.hpp"
#include "store_case.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

constexpr std::size_t excess = 3 * DecisionLog::removed_at_once + 7;

struct DecisionLogCase : test::StoreCase {
  DecisionLogCase() {
    put(paths::leader, store::encode(LeaderRecord{1, "n1", 1}));
    for (std::size_t id = 1; id <= DecisionLog::kept + excess; ++id) put(paths::of(decision_key(id)), "{}");
    until([this] { return cluster.view().complete && cluster.view().leader; });
  }
  std::vector<std::string> names() {
    std::optional<std::vector<std::string>> names;
    opened->list(paths::decisions, [&](const store::ReadResult& result) { names = result.children; });
    until([&] { return names.has_value(); });
    std::sort(names->begin(), names->end());
    return *names;
  }

  DecisionLog log{cluster};
};

}  // namespace

TEST_CASE("however many decisions came since the last time, only the newest stay") {
  DecisionLogCase it;
  it.log.trim();
  it.until([&] { return it.names().size() <= DecisionLog::kept; });
  CHECK(it.names().size() == DecisionLog::kept);
  CHECK(it.names().front() == decision_key(excess + 1).name);
}

TEST_CASE("who is not primary any more removes none (S3)") {
  DecisionLogCase it;
  it.opened->commit({store::Set{paths::leader, store::encode(LeaderRecord{2, "n2", 1})}},
                    [](const store::CommitResult&) {});
  it.log.trim();
  CHECK(it.names().size() == DecisionLog::kept + excess);
  CHECK(it.names().size() == DecisionLog::kept + excess);  // its transaction has been refused meanwhile
}
