// The transactions by which leadership changes hands, and what their outcome means. Pure.
#pragma once

#include <optional>
#include <string>

#include "sdk/change.hpp"
#include "sdk/roles.hpp"

namespace pvcd::election {

// What becomes of the old holder's live entry in the same transaction (safety rules 10 and 14).
enum class Holder {
  None,    // there was none, or its entry is known to be gone
  Absent,  // it is removed, which fails as long as its session lives
  Stale,   // it is left alone: its session may live, its core does not
};
Holder holder_of(const ClaimRequest&);

// What the record will say if the claim succeeds.
LeaderRecord claimed(const ClaimRequest&);

// `time`: wall clock, for people.
Changes claim_changes(const ClaimRequest&, Holder, std::uint64_t time);

// No answer: nothing is known, the record has to be read. `holder_gone`: claim again with Holder::None; the entry of an
// incarnation is created once and never again, so one that is gone stays gone.
struct ClaimVerdict {
  std::optional<Answer> answer;
  bool holder_gone = false;
};
ClaimVerdict judge_claim(const ClaimRequest&, Holder, CommitCode, std::size_t failed);

// After an unknown outcome: what the record says now.
Answer judge_claim_by_reading(const ClaimRequest&, const std::optional<LeaderRecord>& now);

// Vacant, the epoch kept.
Changes vacate_changes(const Life& self, Epoch, Version, const std::string& because, std::uint64_t time);

}  // namespace pvcd::election
