#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "schedule.hpp"

namespace pvcd::sim {
namespace {

// Fewer runs may miss a rare one, or a rare one in a rare phase, by bad luck.
constexpr std::uint64_t seeds_enough = 2000;
constexpr std::uint64_t seeds_enough_for_pairs = 20000;

constexpr std::array<const char*, 5> phases = {"phase-election", "phase-fencing", "phase-recovering", "phase-starting",
                                               "phase-quiet"};

constexpr std::array<const char*, 15> events = {"breaks",
                                                "epochs",
                                                "evidence-later-boot",
                                                "evidence-operator",
                                                "evidence-power",
                                                "evidence-storage",
                                                "evidence-watchdog",
                                                "shut-outs",
                                                "failovers",
                                                "given-back",
                                                "offs",
                                                "releases",
                                                "starts",
                                                "store-leaders",
                                                "watchdog-cuts"};

double ratio(double amount, double of) { return of > 0 ? amount / of : 0; }

double hours(const Tally& tally) { return static_cast<double>(tally.simulated_us) / 3.6e9; }

double per_cpu_minute(const Report& report, double amount) { return ratio(60 * amount, report.cpu_seconds); }

double seeds_per_cpu_minute(const Report& report) {
  return per_cpu_minute(report, static_cast<double>(report.tally.seeds));
}

std::uint64_t count_of(const Tally& tally, const std::string& what) {
  auto found = tally.counts.find(what);
  return found == tally.counts.end() ? 0 : found->second;
}

// All that a run should meet: events, phases and faults, and each of the faults in each phase.
std::vector<std::string> what_may_happen(bool with_pairs) {
  std::vector<std::string> all(events.begin(), events.end());
  all.insert(all.end(), phases.begin(), phases.end());
  for (std::size_t deed = 0; deed < deed_count; ++deed) {
    const std::string name = name_of(static_cast<Deed>(deed));
    all.push_back(name);
    for (std::size_t i = 0; with_pairs && i < phases.size(); ++i) all.push_back(phases[i] + ("/" + name));
  }
  return all;
}

}  // namespace

std::vector<std::string> never_happened(const Tally& tally) {
  if (tally.seeds < seeds_enough) return {};
  std::vector<std::string> never = what_may_happen(tally.seeds >= seeds_enough_for_pairs);
  std::erase_if(never, [&](const std::string& what) { return count_of(tally, what) != 0; });
  return never;
}

std::size_t violations(const Report& report) {
  const auto broken = std::ranges::count_if(report.explored, [](const Explored& one) { return !one.rule.empty(); });
  return report.failures.size() + static_cast<std::size_t>(broken);
}

std::string summary(const Report& report) {
  char text[200];
  std::snprintf(
      text, sizeof text,
      "%lu seeds, %zu violations, %.1f simulated hours, %.1f s of CPU: %.0f seeds and %.0f hours per CPU minute",
      report.tally.seeds, violations(report), hours(report.tally), report.cpu_seconds, seeds_per_cpu_minute(report),
      per_cpu_minute(report, hours(report.tally)));
  return text;
}

std::string to_json(const Report& report) {
  std::string text =
      "{\"seeds\": " + std::to_string(report.tally.seeds) + ", \"violations\": " + std::to_string(violations(report)) +
      ", \"simulated_hours\": " + std::to_string(hours(report.tally)) +
      ", \"cpu_seconds\": " + std::to_string(report.cpu_seconds) +
      ",\n \"seeds_per_cpu_minute\": " + std::to_string(seeds_per_cpu_minute(report)) +
      ", \"simulated_hours_per_cpu_minute\": " + std::to_string(per_cpu_minute(report, hours(report.tally))) +
      ",\n \"failed\": [";
  const char* separator = "";
  for (const Failure& failure : report.failures) {
    text += separator + ("{\"seed\": " + std::to_string(failure.seed)) + ", \"rule\": \"" + failure.rule + "\"}";
    separator = ", ";
  }
  text += "],\n \"counts\": {";
  separator = "\n  ";
  std::map<std::string, std::uint64_t> counts = report.tally.counts;
  for (const std::string& what : what_may_happen(true)) counts.try_emplace(what);  // a zero is told, too
  for (const auto& [what, count] : counts) {
    text += separator + ("\"" + what) + "\": " + std::to_string(count);
    separator = ",\n  ";
  }
  text += "},\n \"per_1000_seeds\": {";
  separator = "";
  for (const char* event : {"failovers", "evidence-power", "evidence-storage", "evidence-watchdog",
                            "evidence-later-boot", "evidence-operator"}) {
    text += separator + ("\"" + std::string(event)) + "\": " +
            std::to_string(ratio(1000 * static_cast<double>(count_of(report.tally, event)),
                                 static_cast<double>(report.tally.seeds)));
    separator = ", ";
  }
  return text + "},\n \"exhaustive\": " + to_json(report.explored) + ",\n \"mutants\": []}\n";
}

// One case for each rule, and one for what has to happen: the seeds are too many.
std::string to_junit(const Report& report, const std::vector<std::string>& never) {
  std::map<std::string, std::string> wrong;
  for (const char* rule : {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S10", "fence", "evidence", "identity", "place",
                           "merge", "storm", "watchdog", "view", "busy", "crash"})
    wrong[rule];
  for (const Failure& failure : report.failures) wrong[failure.rule] += "seed " + std::to_string(failure.seed) + " ";
  std::string& missing = wrong["every fault and event happens"];
  for (const std::string& what : never) missing += what + " ";
  for (const Explored& one : report.explored) {  // some are of one size
    std::string& rule = wrong[std::to_string(one.nodes) + " nodes, " + std::to_string(one.vms) + " VMs, exhaustively"];
    if (rule.empty()) rule = one.rule;
  }
  std::string text = "<testsuite name=\"sim\">";
  for (const auto& [name, seeds] : wrong) {
    text += "<testcase classname=\"sim\" name=\"" + name + "\">";
    if (!seeds.empty()) text += "<failure message=\"" + seeds + "\"/>";
    text += "</testcase>";
  }
  return text + "</testsuite>\n";
}

}  // namespace pvcd::sim
