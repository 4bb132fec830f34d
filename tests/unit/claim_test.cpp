#include "sdk/claim.hpp"

#include <catch2/catch.hpp>

namespace pvcd::election {
namespace {

// n1 has read that epoch 7 belongs to n2.
ClaimRequest replacing() {
  ClaimRequest request;
  request.self = {"n1", "boot", 3};
  request.leader_version = 4;
  request.expected = {7, "n2", 5};
  return request;
}

// n1 has read that nobody ever had the role.
ClaimRequest first() {
  ClaimRequest request;
  request.self = {"n1", "boot", 3};
  return request;
}

template <class Wanted>
std::vector<Key> keys(const Changes& changes) {
  std::vector<Key> found;
  for (const auto& change : changes)
    if (const auto* wanted = std::get_if<Wanted>(&change)) found.push_back(wanted->key);
  return found;
}

DecisionRecord decision(const Changes& changes) {
  return std::get<DecisionRecord>(std::get<Append>(changes.back()).record);
}

const Key own_session = session_key("n1", 3);

}  // namespace

TEST_CASE("what must hold of the old holder follows from what was read") {
  CHECK(holder_of(first()) == Holder::None);
  auto request = replacing();
  CHECK(holder_of(request) == Holder::Absent);
  request.holder_stale = true;
  CHECK(holder_of(request) == Holder::Stale);
}

TEST_CASE("a claim writes the next epoch where nobody has written since, and only while its own session lives") {
  for (const Holder holder : {Holder::None, Holder::Absent, Holder::Stale}) {
    const auto changes = claim_changes(replacing(), holder, 1);
    const auto& leader = std::get<Put>(changes.at(0));
    CHECK(leader.key == Key{Kind::Leader, {}});
    CHECK(std::get<LeaderRecord>(leader.record) == LeaderRecord{8, "n1", 3});
    CHECK(leader.replaces == Version{4});
    CHECK(std::get<Check>(changes.at(1)).key == own_session);
    CHECK(decision(changes).inputs == std::vector<std::string>{"/leader@4"});
  }
  const auto changes = claim_changes(first(), Holder::None, 1);
  CHECK_FALSE(std::get<Put>(changes.at(0)).replaces);
  CHECK(std::get<LeaderRecord>(std::get<Put>(changes.at(0)).record) == LeaderRecord{1, "n1", 3});
  CHECK(decision(changes).inputs.empty());
}

TEST_CASE(
    "a holder's session has to be gone in the same transaction, or its core to be silent, and the record says which") {
  const auto none = claim_changes(replacing(), Holder::None, 1);
  CHECK(keys<Absent>(none).empty());
  CHECK(keys<Check>(none) == std::vector<Key>{own_session});
  CHECK(decision(none).because == "nobody holds it");

  const auto absent = claim_changes(replacing(), Holder::Absent, 1);
  CHECK(keys<Absent>(absent) == std::vector<Key>{session_key("n2", 5)});
  CHECK(keys<Check>(absent) == std::vector<Key>{own_session});
  CHECK(decision(absent).because == "the session of its holder n2, incarnation 5 has ended");

  const auto stale = claim_changes(replacing(), Holder::Stale, 1);
  CHECK(keys<Absent>(stale).empty());
  CHECK(keys<Check>(stale) == std::vector<Key>{own_session, live_key("n2", 5)});
  CHECK(decision(stale).because == "the core of its holder n2, incarnation 5 has not decided anything for too long");
}

TEST_CASE("what the store says to a claim, by the part that it refuses") {
  constexpr std::size_t leader = 0, own = 1, other = 2;
  const auto answer = [](Holder holder, CommitCode code, std::size_t failed) {
    const auto verdict = judge_claim(replacing(), holder, code, failed);
    CHECK_FALSE(verdict.holder_gone);
    REQUIRE(verdict.answer);
    CHECK((verdict.answer->outcome == Outcome::Done) == (code == CommitCode::Ok));
    return verdict.answer->note;
  };
  CHECK(answer(Holder::Absent, CommitCode::Ok, 0) == "epoch 8 belongs to n1");
  CHECK(answer(Holder::Absent, CommitCode::BadVersion, leader) == "somebody else was faster");
  CHECK(answer(Holder::None, CommitCode::Exists, leader) == "somebody else was faster");
  CHECK(answer(Holder::None, CommitCode::NoEntry, own) == "this node's own session is gone: n1, incarnation 3");
  CHECK(answer(Holder::Absent, CommitCode::Exists, other) == "the holder n2, incarnation 5 lives");
  CHECK(answer(Holder::Stale, CommitCode::NoEntry, other) ==
        "the stale holder n2, incarnation 5 is gone by now; decide again");
  CHECK(answer(Holder::Absent, CommitCode::BadVersion, other) ==
        "the stale holder n2, incarnation 5 is gone by now; decide again");
  CHECK(answer(Holder::Absent, CommitCode::Denied, leader) ==
        "the store refuses the claim; check store.credentials_file");

  const auto gone = judge_claim(replacing(), Holder::Absent, CommitCode::NoEntry, other);
  CHECK(gone.holder_gone);
  CHECK_FALSE(gone.answer);
  const auto unknown = judge_claim(replacing(), Holder::Absent, CommitCode::Unknown, leader);
  CHECK_FALSE(unknown.holder_gone);
  CHECK_FALSE(unknown.answer);
}

TEST_CASE("a claim of unknown outcome is answered by what is there") {
  const auto read = [](const ClaimRequest& request, const std::optional<LeaderRecord>& now) {
    return judge_claim_by_reading(request, now).outcome;
  };
  CHECK(read(replacing(), LeaderRecord{8, "n1", 3}) == Outcome::Done);
  CHECK(read(replacing(), LeaderRecord{8, "n3", 1}) == Outcome::Refused);
  CHECK(read(replacing(), LeaderRecord{8, "n1", 2}) == Outcome::Refused);
  CHECK(read(replacing(), replacing().expected) == Outcome::Unknown);
  CHECK(read(replacing(), std::nullopt) == Outcome::Refused);
  CHECK(read(first(), LeaderRecord{1, "n1", 3}) == Outcome::Done);
  CHECK(read(first(), std::nullopt) == Outcome::Unknown);
  CHECK(read(first(), LeaderRecord{1, "n2", 5}) == Outcome::Refused);
}

TEST_CASE("who gives the role up leaves its epoch there") {
  const auto changes = vacate_changes({"n1", "boot", 3}, 7, 4, "it was asked to", 1);
  REQUIRE(changes.size() == 2);
  const auto& leader = std::get<Put>(changes[0]);
  CHECK(leader.key == Key{Kind::Leader, {}});
  CHECK(std::get<LeaderRecord>(leader.record) == LeaderRecord{7, {}, 0});
  CHECK(leader.replaces == Version{4});
  CHECK(decision(changes).because == "it was asked to");
  CHECK(decision(changes).epoch == 7);
}

}  // namespace pvcd::election
