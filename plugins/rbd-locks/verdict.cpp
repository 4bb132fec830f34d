#include "verdict.hpp"

#include <algorithm>

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

void fill_wait(HookVerdict& answer, const std::vector<Judgement>& judgements) {
  for (const Judgement& judgement : judgements) {
    for (const Pending& pending : judgement.pending) {
      answer.wait_for.push_back(pending.wait_for);
      answer.wait = std::max(answer.wait, pending.remaining);
    }
  }
}

}  // namespace

HookVerdict combine(const std::vector<Judgement>& judgements) {
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
  if (answer.verdict == Verdict::Wait) fill_wait(answer, judgements);
  return answer;
}

}  // namespace pvcd::rbd_locks
