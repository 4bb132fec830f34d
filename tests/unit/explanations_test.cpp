// Why, on the local store: how many may ask at the same time.
#include "core/explanations.hpp"

#include <algorithm>
#include <vector>

#include "store/codec.hpp"
#include "store_case.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

using Told = std::variant<std::string, RequestError>;

struct ExplanationsCase : test::StoreCase {
  ExplanationsCase() {
    NodeRecord node;
    node.name = "n1";
    put(paths::under(paths::nodes, "n1"), store::encode(node));
    put(paths::of(decision_key(1)), store::encode(DecisionRecord{}));
    until([this] { return cluster.view().complete && cluster.view().nodes.contains("n1"); });
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

  Explanations explanations{cluster, "n1", {}, runtime::boottime_us};
  std::vector<Told> told;
};

}  // namespace

TEST_CASE("no more than so many questions read from the store at the same time; the next one after them is answered") {
  ExplanationsCase it;
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
  ExplanationsCase it;
  for (std::size_t i = 0; i < 2 * Explanations::asked_max; ++i) {
    it.ask("node/none");
    it.ask("nothing");
    it.ask("decision/none");
  }
  CHECK(it.told.size() == 6 * Explanations::asked_max);
  CHECK(it.refused() == 0);
}
