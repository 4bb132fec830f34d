#include "report.hpp"

#include <array>

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

std::string per_thousand(std::uint64_t count, std::uint64_t seeds) {
  const std::uint64_t tenths = seeds == 0 ? 0 : count * 10000 / seeds;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

std::uint64_t count_of(const Tally& tally, const std::string& what) {
  auto found = tally.counts.find(what);
  return found == tally.counts.end() ? 0 : found->second;
}

}  // namespace

std::vector<std::string> never_happened(const Tally& tally) {
  std::vector<std::string> never;
  if (tally.seeds < seeds_enough) return never;
  for (std::size_t deed = 0; deed < deed_count; ++deed)
    if (const char* name = name_of(static_cast<Deed>(deed)); count_of(tally, name) == 0) never.emplace_back(name);
  for (const char* event : events)
    if (count_of(tally, event) == 0) never.emplace_back(event);
  for (const char* phase : phases) {
    if (count_of(tally, phase) == 0) never.emplace_back(phase);
    for (std::size_t deed = 0; deed < deed_count && tally.seeds >= seeds_enough_for_pairs; ++deed) {
      const std::string pair = std::string(phase) + "/" + name_of(static_cast<Deed>(deed));
      if (count_of(tally, pair) == 0) never.push_back(pair);
    }
  }
  return never;
}

std::string to_json(const Report& report) {
  std::string text = "{\"seeds\": " + std::to_string(report.tally.seeds) +
                     ", \"violations\": " + std::to_string(report.failures.size()) + ", \"simulated_hours\": " +
                     std::to_string(static_cast<double>(report.tally.simulated_us) / 3.6e9) +
                     ", \"cpu_seconds\": " + std::to_string(report.cpu_seconds) + ",\n \"failed\": [";
  const char* separator = "";
  for (const Failure& failure : report.failures) {
    text += separator + ("{\"seed\": " + std::to_string(failure.seed)) + ", \"rule\": \"" + failure.rule + "\"}";
    separator = ", ";
  }
  text += "],\n \"counts\": {";
  separator = "\n  ";
  for (const auto& [what, count] : report.tally.counts) {
    text += separator + ("\"" + what) + "\": " + std::to_string(count);
    separator = ",\n  ";
  }
  text += "},\n \"per_1000_seeds\": {";
  separator = "";
  for (const char* event : {"failovers", "evidence-power", "evidence-storage", "evidence-watchdog",
                            "evidence-later-boot", "evidence-operator"}) {
    text += separator + ("\"" + std::string(event)) +
            "\": " + per_thousand(count_of(report.tally, event), report.tally.seeds);
    separator = ", ";
  }
  return text + "},\n \"exhaustive\": " + to_json(report.explored) + "}\n";
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
