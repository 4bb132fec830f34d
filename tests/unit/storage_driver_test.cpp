// One question at a time, by the primary alone, and figures that never look younger than they are.
#include "core/storage_driver.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "store/codec.hpp"
#include "store_case.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace paths = store::paths;

namespace {

constexpr Microseconds interval = milliseconds(1000);
const std::string summary_path = paths::under(paths::storage, paths::summary_name);

StorageSurvey survey(std::uint32_t count, const std::string& note = "") {
  StorageSurvey seen;
  seen.outcome = Outcome::Done;
  seen.note = note;
  for (std::uint32_t id = 0; id < count; ++id) {
    OsdFacts osd;
    osd.id = id;
    seen.osds.push_back(osd);
  }
  return seen;
}

StorageSurvey unknown(const std::string& note) {
  StorageSurvey seen;
  seen.note = note;
  return seen;
}

struct StorageDriverCase : test::StoreCase {
  StorageDriverCase() {
    put(paths::leader, store::encode(LeaderRecord{1, "n1", 1}));
    until([this] { return cluster.view().leader && view.complete(); });
  }
  StorageDriver driver() {
    return {cluster, view,
            [this](Plugins::PermitNow permit, Plugins::Answered<StorageSurvey> answered) {
              permits.push_back(std::move(permit));
              answers.push_back(std::move(answered));
            },
            interval};
  }
  void round(StorageDriver& driver, Instant now, bool primary = true, bool may_act = true) {
    driver.round({may_act, runtime::boottime_us() + seconds(100)}, now, primary);
  }
  const StorageRecord& summary() { return *view.figures().summary; }
  void until_cycle(std::uint64_t cycle) {
    until([&] { return view.figures().summary && summary().cycle == cycle; });
  }
  // Everything that is under way has come to its end.
  void settle() {
    bool done = false;
    opened->sync([&](store::ReadCode) { done = true; });
    until([&] { return done; });
  }

  StorageView view{*opened, loop};
  std::vector<Plugins::PermitNow> permits;
  std::vector<Plugins::Answered<StorageSurvey>> answers;
  Instant begin = runtime::boottime_us() - seconds(50);  // so that all of the rounds have been
};

}  // namespace

TEST_CASE("the primary asks once in an interval, and not again before the answer is written") {
  StorageDriverCase it;
  auto driver = it.driver();
  it.round(driver, it.begin, false);
  it.round(driver, it.begin, true, false);
  CHECK(it.answers.empty());
  it.round(driver, it.begin);
  it.round(driver, it.begin + 5 * interval);
  REQUIRE(it.answers.size() == 1);
  CHECK(it.permits[0]()->epoch == 1);
  it.answers[0](survey(70));
  it.until_cycle(1);
  it.settle();
  CHECK(it.view.figures().osds.size() == 70);
  CHECK(it.summary().age);
  it.round(driver, it.begin + interval - 1);
  CHECK(it.answers.size() == 1);
  it.round(driver, it.begin + interval);
  CHECK(it.answers.size() == 2);
}

TEST_CASE("who is not primary any more gives no permit and writes nothing") {
  StorageDriverCase it;
  auto driver = it.driver();
  it.round(driver, it.begin);
  it.round(driver, it.begin, false);
  CHECK_FALSE(it.permits[0]());
  it.answers[0](survey(1));
  it.settle();
  CHECK(it.view.entries().empty());
}

TEST_CASE("what was asked under an older epoch is refused by the store (S3)") {
  StorageDriverCase it;
  auto driver = it.driver();
  it.round(driver, it.begin);
  it.opened->commit({store::Set{paths::leader, store::encode(LeaderRecord{2, "n2", 1})}},
                    [](const store::CommitResult&) {});
  it.until([&] { return it.cluster.view().leader->value.epoch == 2; });
  it.answers[0](survey(1));
  it.settle();
  CHECK(it.view.entries().empty());
  it.round(driver, it.begin + interval);  // and it goes on
  CHECK(it.answers.size() == 2);
}

TEST_CASE("without an answer the old figures stay, with their age") {
  StorageDriverCase it;
  auto driver = it.driver();
  it.round(driver, it.begin);
  it.answers[0](survey(2));
  it.until_cycle(1);
  it.settle();
  const Microseconds first = *it.summary().age;
  it.round(driver, it.begin + interval);
  it.answers[1](unknown("away"));
  it.until_cycle(2);
  it.settle();
  CHECK(it.summary().note == "away");
  CHECK(*it.summary().age >= first);
  CHECK(*it.summary().age >= *it.view.age(runtime::boottime_us()) - seconds(2));
  CHECK(it.view.figures().osds.size() == 2);
  it.round(driver, it.begin + 2 * interval);
  it.answers[2](unknown("away"));  // said already, but their age goes on
  it.until_cycle(3);
}

TEST_CASE("where there never were figures the reason is written once") {
  StorageDriverCase it;
  auto driver = it.driver();
  for (std::uint64_t round = 0; round < 3; ++round) {
    it.round(driver, it.begin + round * interval);
    REQUIRE(it.answers.size() == round + 1);
    it.answers[round](unknown("no plugin"));
    it.settle();
    it.until_cycle(1);
  }
  it.settle();
  CHECK(it.summary().cycle == 1);
  CHECK_FALSE(it.summary().age);
}

TEST_CASE("a primary that found figures of unknown age does not make them young") {
  StorageDriverCase it;
  it.put(summary_path, store::encode(StorageRecord{7, 0, "", {}, {}}));
  it.until_cycle(7);
  StorageDriverCase& again = it;  // a core that begins when they are there already
  StorageView view(*again.opened, again.loop);
  again.until([&] { return view.complete() && view.figures().summary; });
  CHECK_FALSE(view.age(runtime::boottime_us()));
  StorageDriver driver(
      again.cluster, view,
      [&](Plugins::PermitNow, Plugins::Answered<StorageSurvey> answered) {
        again.answers.push_back(std::move(answered));
      },
      interval);
  again.round(driver, again.begin);
  again.answers[0](unknown("away"));
  again.until_cycle(8);
  CHECK_FALSE(again.summary().age);
  again.settle();
  again.round(driver, again.begin + interval);
  again.answers[1](survey(1));
  again.until_cycle(9);
  CHECK(again.summary().age);
}

TEST_CASE("a page that could not be written keeps the summary from saying that all is fresh") {
  StorageDriverCase it;
  auto driver = it.driver();
  it.round(driver, it.begin);
  it.put(paths::under(paths::storage, page_name(0)), "{}");  // somebody was faster, and the view does not have it yet
  it.answers[0](survey(1));
  it.settle();
  it.until([&] { return it.view.figures().broken.size() == 1; });
  CHECK_FALSE(it.view.figures().summary);
  it.round(driver, it.begin + interval);
  REQUIRE(it.answers.size() == 2);
  it.answers[1](survey(1));
  it.until_cycle(1);
  CHECK(it.view.figures().broken.empty());
}
