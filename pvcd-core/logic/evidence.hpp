// The ladder of evidence about a lost life, best kind first: what each kind can show now, or why it cannot. The best
// that is available is taken, and the record says why the better ones were not.
#pragma once

#include <string>
#include <vector>

#include "logic/round.hpp"

namespace pvcd::logic {

// One kind, about one life, now.
struct Rung {
  bool available = false;
  std::string missing;               // why it is not
  std::string what;                  // "take n2 for off"
  std::string because;               // one sentence
  std::vector<std::string> facts;    // what was seen, in order
  std::vector<std::string> images;   // Storage: that it is about
  std::vector<std::string> without;  // Storage: each image that it is not about, and why
};

Rung watchdog_rung(const Round&, const NodeRecord&, const PowerHistory&, Health);  // self_fence.cpp
Rung storage_rung(const Round&, const NodeRecord&, const PowerHistory&, Health);   // storage_fence.cpp

// Takes the best that is available: true when it is being committed.
bool plan_evidence(Round&, const NodeRecord&, const PowerHistory&, Health);

// "power: its BMC has not answered ...", of each kind that proves more than this one; empty when nobody has looked.
std::vector<std::string> why_not_better(const Round&, const NodeRecord&, EvidenceKind);

// What evidence of each kind says in the same way; which versions it insists on is told by who has seen them.
CommitEvidence evidence_of(const Round&, EvidenceKind, const Life&, std::vector<std::string> facts);

}  // namespace pvcd::logic
