// Why, on the local store: how many may ask at the same time.
#include "core/explanations.hpp"

#include <systemd/sd-event.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "runtime/clock.hpp"
#include "runtime/loop.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

constexpr Microseconds deadline = seconds(20);

using Told = std::variant<std::string, RequestError>;

struct Case {
  Case() {
    for (const auto& directory : paths::directories) put(directory, "");
    NodeRecord node;
    node.name = "n1";
    put(paths::under(paths::nodes, "n1"), store::encode(node));
    put(paths::under(paths::decisions, "d0000000001"), store::encode(DecisionRecord{}));
    until([this] { return cluster.view().complete && cluster.view().nodes.contains("n1"); });
  }
  void put(const std::string& path, const std::string& data) {
    opened->commit({store::Create{path, data}}, [](const store::CommitResult&) {});
  }
  template <class Condition>
  void until(Condition condition) {
    const Instant not_after = runtime::boottime_us() + deadline;
    while (!condition()) {
      REQUIRE(runtime::boottime_us() < not_after);
      REQUIRE(sd_event_run(loop.get(), milliseconds(10)) >= 0);
    }
  }
  void ask(const std::string& what) {
    explanations.explain(what, [this](const Told& answer) { told.push_back(answer); });
  }
  std::size_t refused() const {
    return static_cast<std::size_t>(std::count_if(told.begin(), told.end(), [](const Told& one) {
      const auto* error = std::get_if<RequestError>(&one);
      return error && error->kind == ErrorKind::Busy;
    }));
  }

  runtime::Loop loop;
  std::shared_ptr<store::Local> local = store::Local::make();
  std::unique_ptr<store::Store> opened = local->open(loop.get());
  Cluster cluster{*opened, loop};
  Explanations explanations{cluster, {}, runtime::boottime_us};
  std::vector<Told> told;
};

}  // namespace

TEST_CASE("no more than so many questions read from the store at the same time; the next one after them is answered") {
  Case it;
  const std::string what = GENERATE("node/n1", "decision/1");
  for (std::size_t i = 0; i < Explanations::asked_max; ++i) it.ask(what);
  CHECK(it.told.empty());
  it.ask(what);
  it.ask(what);
  CHECK(it.told.size() == 2);
  CHECK(it.refused() == 2);
  it.until([&] { return it.told.size() == Explanations::asked_max + 2; });
  it.ask(what);
  it.until([&] { return it.told.size() == Explanations::asked_max + 3; });
  CHECK(it.refused() == 2);
  CHECK(std::holds_alternative<std::string>(it.told.back()));
}

TEST_CASE("a question that is wrong takes nobody's place") {
  Case it;
  for (std::size_t i = 0; i < 2 * Explanations::asked_max; ++i) {
    it.ask("node/none");
    it.ask("nothing");
    it.ask("decision/none");
  }
  CHECK(it.told.size() == 6 * Explanations::asked_max);
  CHECK(it.refused() == 0);
}
