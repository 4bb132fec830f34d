#include "store/changes.hpp"

#include <systemd/sd-event.h>

#include <catch2/catch.hpp>

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::store {
namespace {

std::string path_of(const Operation& operation) {
  return std::visit([](const auto& one) { return one.path; }, operation);
}

}  // namespace

TEST_CASE("each kind of entry has its place") {
  CHECK(paths::of({Kind::Leader, {}}) == "/leader");
  CHECK(paths::of({Kind::Cluster, {}}) == "/cluster");
  CHECK(paths::of({Kind::Owner, "u"}) == "/owners/u");
  CHECK(paths::of(live_key("n1", 7)) == "/live/n1.7");
  CHECK(paths::of(session_key("n1", 7)) == "/live/n1.7/session");
  CHECK(paths::of(link_key("u", 3)) == "/owners/u/l0000000003");
  CHECK(paths::of(job_key(42)) == "/jobs/j0000000042");
  CHECK(paths::of(job_key(12345678901)) == "/jobs/j12345678901");
}

TEST_CASE("a put creates or replaces; only sessions are ephemeral") {
  const auto operations = operations_of({Put{{Kind::Leader, {}}, LeaderRecord{3, "n1", 1}, std::nullopt},
                                         Put{{Kind::Leader, {}}, LeaderRecord{4, "n1", 1}, 2},
                                         Put{session_key("n1", 1), {}, std::nullopt}});
  REQUIRE(operations.size() == 3);
  CHECK_FALSE(std::get<Create>(operations[0]).ephemeral);
  CHECK(std::get<Set>(operations[1]).version == 2);
  CHECK(std::get<LeaderRecord>(decode<LeaderRecord>(std::get<Set>(operations[1]).data)).epoch == 4);
  CHECK(std::get<Create>(operations[2]).ephemeral);
}

TEST_CASE("appended entries are numbered by the store") {
  DecisionRecord decision;
  decision.what = "fence n2";
  JobRecord job;
  job.type = "vm-start";
  LinkRecord link;
  link.generation = 7;
  const auto operations =
      operations_of({Append{Kind::Decision, decision}, Append{Kind::Job, job}, Append{Kind::Link, link, "u"}});
  REQUIRE(operations.size() == 3);
  CHECK(std::get<Create>(operations[0]).sequential);
  CHECK(path_of(operations[0]) == "/decisions/d");
  CHECK(path_of(operations[1]) == "/jobs/j");
  CHECK(path_of(operations[2]) == "/owners/u/l");
  CHECK(std::get<Create>(operations[0]).data == encode(decision));
  CHECK(std::get<Create>(operations[1]).data == encode(job));
  CHECK(std::get<Create>(operations[2]).data == encode(link));
}

TEST_CASE("a transaction fails at a change, also behind an absence that is two operations") {
  sd_event* loop = nullptr;
  REQUIRE(sd_event_new(&loop) >= 0);
  {
    auto store = Local::make()->open(loop);
    std::optional<CommitResult> last;
    const auto commit_now = [&](const Changes& changes) {
      last.reset();
      commit(*store, changes, [&](const CommitResult& result) { last = result; });
      while (!last) REQUIRE(sd_event_run(loop, UINT64_MAX) >= 0);
      return *last;
    };
    const Key fence{Kind::Fence, "n1"};
    CHECK(commit_now({Absent{fence}, Put{fence, FenceRecord{}, std::nullopt}}).code == CommitCode::Ok);
    const auto present = commit_now({Absent{{Kind::Evidence, "b"}}, Absent{fence}});
    CHECK(present.code == CommitCode::Exists);
    CHECK(present.failed == 1);
    const auto stale = commit_now({Absent{{Kind::Evidence, "b"}}, pvcd::Check{fence, 7}});
    CHECK(stale.code == CommitCode::BadVersion);
    CHECK(stale.failed == 1);
    CHECK(commit_now({Absent{{Kind::Evidence, "b"}}, pvcd::Remove{fence, 0}}).code == CommitCode::Ok);
  }
  sd_event_unref(loop);
}

}  // namespace pvcd::store
