// What proves a life over, as a table. Each kind says for itself when it is available; a later boot and a person's word
// are facts that come by themselves (note_later_boots, confirm_off), and stand here to say that they have not come.

#include "logic/evidence.hpp"

#include <algorithm>
#include <iterator>

namespace pvcd::logic {
namespace {

Rung not_available(std::string why) {
  Rung rung;
  rung.missing = std::move(why);
  return rung;
}

const FenceRecord* open_fence(const ClusterView& view, const NodeRecord& node) {
  return fence_is_open(view, node) ? &view.fences.at(node.name).value : nullptr;
}

std::string why_no_off_was_sent(const Round& round, const NodeRecord& node) {
  if (in_maintenance(round.view())) return "nothing is sent to its BMC in maintenance";
  if (is_leaving(last_word(round.next.sights, node.name)))
    return "nothing is sent to its BMC, because it left in order";
  return "nothing has been sent to its BMC";
}

std::string silence_of_bmc(const PowerHistory& history) {
  return "its BMC has not answered " + std::to_string(history.silent_reads) +
         (history.silent_reads == 1 ? " read" : " reads in a row") +
         (history.off_accepted ? ", after it took our off" : "");
}

std::string why_no_power(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  const FenceRecord* fence = open_fence(round.view(), node);
  if (!fence) return why_no_off_was_sent(round, node);
  if (fence->by != round.in.self.node) return fence->by + " is the one that sends the off";
  if (history.silent_reads > 0) return silence_of_bmc(history);
  if (history.off_accepted) return "its BMC took our off and has not read off since";
  if (history.failures > 0)
    return "its BMC did not do what it was told, " +
           (history.failures == 1 ? "once" : std::to_string(history.failures) + " times") + ": " + history.note;
  if (!history.read_at) return "its BMC has not been read yet";
  if (history.latest_off) return "its BMC reads off, but not after an off of ours";
  return "no off has been sent: " + history.note;
}

// What is proven stays proven, however long the store does not take it: nothing is sent again.
Rung power_rung(const Round& round, const NodeRecord& node, const PowerHistory& history, Health) {
  const FenceRecord* fence = open_fence(round.view(), node);
  if (!fence || fence->by != round.in.self.node || !history.proven)
    return not_available(why_no_power(round, node, history));
  Rung rung;
  rung.available = true;
  rung.what = "take " + node.name + " for off";
  rung.because = "its BMC reads off after our own off";
  rung.facts = history.facts;
  return rung;
}

Rung later_boot_rung(const Round&, const NodeRecord&, const PowerHistory&, Health) {
  return not_available("it has not joined in a later boot");
}

Rung operator_rung(const Round&, const NodeRecord&, const PowerHistory&, Health) {
  return not_available("nobody has confirmed that this boot is off");
}

struct Step {
  EvidenceKind kind;
  const char* word;
  Rung (*look)(const Round&, const NodeRecord&, const PowerHistory&, Health);
};

constexpr Step ladder[] = {
    {EvidenceKind::Power, "power", power_rung},          {EvidenceKind::LaterBoot, "later boot", later_boot_rung},
    {EvidenceKind::Operator, "operator", operator_rung}, {EvidenceKind::Watchdog, "watchdog", watchdog_rung},
    {EvidenceKind::Storage, "storage", storage_rung},
};

std::string rejection(const Step& step, const Rung& rung) { return std::string(step.word) + ": " + rung.missing; }

// The transaction is the second look (rule 8): it fails unless the live entry is as it was when gathering began.
void commit_rung(Round& round, const NodeRecord& node, const PowerHistory& history, EvidenceKind kind, Rung rung,
                 std::vector<std::string> rejected) {
  CommitEvidence commit = evidence_of(round, kind, history.victim, std::move(rung.facts));
  commit.record.images = std::move(rung.images);
  if (const Live* live = live_of(round.view(), node)) {
    commit.live_version = history.live_version;
    commit.session = live->session;
  }
  const auto fence = round.view().fences.find(node.name);
  if (fence != round.view().fences.end() && fence->second.value.victim == history.victim) {
    commit.fence_version = fence->second.version;
    commit.fence = fence->second.value;
    commit.fence->phase = FencePhase::Confirmed;
  }
  commit.node_version = round.view().nodes.at(node.name).version;
  rejected.insert(rejected.end(), rung.without.begin(), rung.without.end());
  Decision why{std::move(rung.what), std::move(rung.because), commit.record.facts, std::move(rejected)};
  round.plan(std::move(commit), std::move(why));
}

}  // namespace

bool plan_evidence(Round& round, const NodeRecord& node, const PowerHistory& history, Health state) {
  std::vector<std::string> rejected;
  for (const Step& step : ladder) {
    Rung rung = step.look(round, node, history, state);
    if (rung.available) {
      commit_rung(round, node, history, step.kind, std::move(rung), std::move(rejected));
      return true;
    }
    rejected.push_back(rejection(step, rung));
  }
  return false;
}

std::vector<std::string> why_not_better(const Round& round, const NodeRecord& node, EvidenceKind kind) {
  std::vector<std::string> rejected;
  const auto known = round.next.power.find(node.name);
  if (known == round.next.power.end()) return {};
  const Health state = health(round.view(), round.next.sights, node.name, round.in.now, round.settings.suspect_after);
  const auto* own =
      std::find_if(std::begin(ladder), std::end(ladder), [&](const Step& step) { return step.kind == kind; });
  for (const auto* step = std::begin(ladder); step != own; ++step) {
    const Rung rung = step->look(round, node, known->second, state);
    if (!rung.available) rejected.push_back(rejection(*step, rung));
  }
  return rejected;
}

CommitEvidence evidence_of(const Round& round, EvidenceKind kind, const Life& life, std::vector<std::string> facts) {
  CommitEvidence commit;
  commit.key = "evidence/" + life.boot;
  commit.record.kind = kind;
  commit.record.life = life;
  commit.record.observer = round.in.self.node;
  commit.record.epoch = round.view().leader->value.epoch;
  commit.record.facts = std::move(facts);
  return commit;
}

}  // namespace pvcd::logic
