// The transactions by which leadership changes hands, and what their outcome means. Pure.
#pragma once

#include <optional>
#include <string>

#include "sdk/change.hpp"
#include "sdk/roles.hpp"

namespace pvcd::election {

// What must hold of the old holder in the same transaction (safety rules 10 and 14). Its live entry stays: it has the
// last word of a holder that left, which must not be switched off for it (rule 11).
enum class Holder {
  None,    // there was none, or its live entry is known to be gone
  Absent,  // its session has ended
  Stale,   // its session may live, its core does not
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
