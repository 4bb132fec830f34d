#include "verdict.hpp"

#include <algorithm>

#include "first_seen.hpp"

namespace pvcd::rbd_locks {

namespace {

Verdict verdict_of(Ruling ruling) {
  switch (ruling) {
    case Ruling::Proceed:
    case Ruling::Break:
      return Verdict::Proceed;
    case Ruling::Wait:
      return Verdict::Wait;
    case Ruling::Unknown:
      return Verdict::Unknown;
    case Ruling::Refuse:
      return Verdict::Refuse;
  }
  return Verdict::Unknown;
}

// The core counts `wait` from when it first heard this very text, the images count from their own first sight.
void fill_wait(HookVerdict& answer, const std::vector<Judgement>& judgements,
               const std::vector<FirstSeen>& first_seen) {
  Microseconds remaining = 0;
  for (const Judgement& judgement : judgements) {
    for (const Pending& pending : judgement.pending) {
      if (!answer.wait_for.empty()) answer.wait_for += wait_for_separator;
      answer.wait_for += pending.wait_for;
      remaining = std::max(remaining, pending.remaining);
    }
  }
  answer.wait = remaining + seen_ago(answer.wait_for, first_seen).value_or(0);
}

}  // namespace

HookVerdict combine(const std::vector<Judgement>& judgements, const std::vector<FirstSeen>& first_seen) {
  std::vector<Judgement> sorted = judgements;
  std::ranges::stable_sort(sorted, std::ranges::greater(), &Judgement::ruling);

  HookVerdict answer;
  answer.verdict = sorted.empty() ? Verdict::Proceed : verdict_of(sorted.front().ruling);
  if (sorted.empty()) answer.reason = "no RBD disks";
  for (const Judgement& judgement : sorted) {
    answer.reason += (answer.reason.empty() ? "" : " | ") + judgement.image + ": " + judgement.reason;
    if (answer.ask.empty()) answer.ask = judgement.ask;
    if (answer.verdict == Verdict::Proceed) {
      answer.present.insert(answer.present.end(), judgement.dead_watchers.begin(), judgement.dead_watchers.end());
    }
  }
  if (answer.verdict == Verdict::Wait) fill_wait(answer, judgements, first_seen);
  return answer;
}

}  // namespace pvcd::rbd_locks
