// pvcd-sim: many runs, each from its seed; see usage().
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "report.hpp"
#include "shrink.hpp"
#include "stories.hpp"

using namespace pvcd;
using namespace pvcd::sim;

namespace {

constexpr std::size_t stories_shown = 3;
constexpr std::size_t story_lines_max = 120;
constexpr const char* crash_rule = "crash";
constexpr unsigned seed_limit_s = 60;

struct Options {
  std::uint64_t seeds = 1000;
  std::uint64_t first_seed = 1;
  std::size_t nodes = 0;
  unsigned jobs = 1;
  bool one_seed = false;
  bool seeds_given = false;
  bool stop_at_first = false;
  bool exhaustive = false;
  bool told = true;  // the stories of failures, which have to be shrunk first
  std::string junit;
  std::string json;
  std::string commit = "unknown";
  std::string stories;  // a folder: told instead of seeds
  std::string story;    // one of them
};

int usage() {
  std::fputs(
      "usage: pvcd-sim [--seeds N] [--seed S] [--nodes N] [--jobs N] [--json FILE] [--junit FILE]\n"
      "                [--commit TEXT] [--stop-at-first] [--untold] [--exhaustive]\n"
      "       pvcd-sim --stories FOLDER [--story NAME] [--seeds N] [--seed S] [--junit FILE]\n"
      "  --exhaustive: every state of small worlds, too\n"
      "  --seed S alone runs that one and tells everything about it; with --seeds it is the first of N\n"
      "It fails when a rule is violated, from 2000 seeds on also when a fault, phase or event never happened, from\n"
      "20000 on when a fault never struck in one of the phases: fewer may miss it by bad luck.\n",
      stderr);
  return 2;
}

bool parse(int argc, char** argv, Options& options) {
  bool seed_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--exhaustive") {
      options.exhaustive = true;
      continue;
    }
    if (key == "--stop-at-first" || key == "--untold") {
      (key == "--untold" ? options.told : options.stop_at_first) = key != "--untold";
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    const std::uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
    if (key == "--seeds") {
      options.seeds = number;
      options.seeds_given = true;
    } else if (key == "--seed") {
      options.first_seed = number;
      seed_given = true;
    } else if (key == "--nodes") {
      options.nodes = number;
    } else if (key == "--jobs") {
      options.jobs = static_cast<unsigned>(std::max<std::uint64_t>(number, 1));
    } else if (key == "--json") {
      options.json = value;
    } else if (key == "--junit") {
      options.junit = value;
    } else if (key == "--stories") {
      options.stories = value;
    } else if (key == "--story") {
      options.story = value;
    } else if (key == "--commit") {
      options.commit = value;
    } else {
      return false;
    }
  }
  options.one_seed = seed_given && !options.seeds_given;
  if (options.one_seed) {
    options.seeds = 1;
    options.exhaustive = false;
  }
  return options.seeds > 0 && (options.nodes == 0 || (options.nodes >= 3 && options.nodes <= 9));
}

void add(Report& to, std::uint64_t seed, const RunOutcome& outcome) {
  for (const auto& [what, count] : outcome.tally.counts) to.tally.counts[what] += count;
  to.tally.rounds += outcome.tally.rounds;
  to.tally.seeds += outcome.tally.seeds;
  to.tally.simulated_us += outcome.tally.simulated_us;
  if (outcome.violation) to.failures.push_back({seed, outcome.violation->rule});
}

// ----------------------------------------------------------------------------------------------- one process per job

void send(const Report& report, std::FILE* to) {
  std::fprintf(to, "sum %lu %lu %lu\n", report.tally.seeds, report.tally.rounds, report.tally.simulated_us);
  for (const auto& [what, count] : report.tally.counts) std::fprintf(to, "count %s %lu\n", what.c_str(), count);
  for (const Failure& failure : report.failures)
    std::fprintf(to, "failure %lu %s\n", failure.seed, failure.rule.c_str());
}

void receive(Report& report, std::FILE* from, const std::uint64_t* at) {
  char word[32], text[128];
  bool ended = false;
  while (std::fscanf(from, "%31s", word) == 1) {
    std::uint64_t a = 0, b = 0, c = 0;
    if (std::strcmp(word, "sum") == 0 && std::fscanf(from, "%lu %lu %lu", &a, &b, &c) == 3) {
      report.tally.seeds += a;
      report.tally.rounds += b;
      report.tally.simulated_us += c;
      ended = true;
    } else if (std::strcmp(word, "count") == 0 && std::fscanf(from, "%127s %lu", text, &a) == 2) {
      report.tally.counts[text] += a;
    } else if (std::strcmp(word, "failure") == 0 && std::fscanf(from, "%lu %127s", &a, text) == 2) {
      report.failures.push_back({a, text});
    }
  }
  if (!ended) report.failures.push_back({*at, crash_rule});
}

// `at`: which seed it is about, known even when that one crashes or turns for ever.
Report run_share(const Options& options, unsigned job, std::uint64_t* at) {
  Report report;
  for (std::uint64_t i = job; i < options.seeds; i += options.jobs) {
    const std::uint64_t seed = options.first_seed + i;
    *at = seed;
    alarm(seed_limit_s);
    add(report, seed, run(make_plan(seed, options.nodes), false));
    if (options.stop_at_first && !report.failures.empty()) break;
  }
  return report;
}

std::FILE* start_job(const Options& options, unsigned job, std::uint64_t* at) {
  int ends[2];
  if (pipe(ends) != 0) return nullptr;
  if (fork() == 0) {
    close(ends[0]);
    std::FILE* to = fdopen(ends[1], "w");
    send(run_share(options, job, at), to);
    std::fclose(to);
    _exit(0);
  }
  close(ends[1]);
  return fdopen(ends[0], "r");
}

// A job that dies without its sum is missed by the number of seeds.
Report run_all(const Options& options) {
  Report report;
  auto* at = static_cast<std::uint64_t*>(
      mmap(nullptr, options.jobs * sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::vector<std::FILE*> jobs;
  for (unsigned job = 0; job < options.jobs; ++job) jobs.push_back(start_job(options, job, at + job));
  for (unsigned job = 0; job < options.jobs; ++job) {
    if (!jobs[job]) continue;
    receive(report, jobs[job], at + job);
    std::fclose(jobs[job]);
  }
  while (wait(nullptr) > 0) {
  }
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  report.cpu_seconds = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                       static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  std::sort(report.failures.begin(), report.failures.end(),
            [](const Failure& a, const Failure& b) { return a.seed < b.seed; });
  return report;
}

// --------------------------------------------------------------------------------------------------------- telling

void tell(const Plan& plan, std::size_t lines_max) {
  for (const Planned& one : plan.schedule) std::printf("  %s\n", describe(one).c_str());
  const RunOutcome outcome = run(plan, true);
  const std::size_t from = outcome.story.size() > lines_max ? outcome.story.size() - lines_max : 0;
  for (std::size_t i = from; i < outcome.story.size(); ++i) std::printf("  %s\n", outcome.story[i].c_str());
}

void tell_failure(const Options& options, const Failure& failure) {
  const Plan whole = make_plan(failure.seed, options.nodes);
  const Plan plan = shrink(whole, failure.rule);
  std::printf("\nseed %lu, commit %s: %s is violated, %zu nodes; %zu of %zu faults are enough:\n", failure.seed,
              options.commit.c_str(), failure.rule.c_str(), plan.nodes, plan.schedule.size(), whole.schedule.size());
  tell(plan, story_lines_max);
}

// What crashes cannot be told: it would take this process with it.
void tell_some(const Options& options, const Report& report) {
  const auto crashed = [](const Failure& failure) { return failure.rule == crash_rule; };
  if (options.one_seed) {
    if (std::ranges::none_of(report.failures, crashed))
      tell(make_plan(options.first_seed, options.nodes), std::size_t(-1));
    return;
  }
  const std::size_t shown = !options.told ? 0 : options.stop_at_first ? 1 : stories_shown;
  for (std::size_t i = 0; i < std::min(report.failures.size(), shown); ++i)
    if (!crashed(report.failures[i])) tell_failure(options, report.failures[i]);
}

int tell_stories(const Options& options) {
  StoryOptions stories;
  stories.folder = options.stories;
  stories.only = options.story;
  stories.first_seed = options.first_seed;
  if (options.seeds_given || options.one_seed) stories.tellings = options.seeds;
  stories.traced = options.one_seed;
  stories.junit = options.junit;
  return run_stories(stories);
}

bool write_file(const std::string& file, const std::string& text) {
  if (file.empty()) return true;
  std::ofstream out(file);
  out << text << std::flush;
  if (!out) std::fprintf(stderr, "pvcd-sim: %s cannot be written\n", file.c_str());
  return static_cast<bool>(out);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) return usage();
  if (!options.stories.empty()) return tell_stories(options);
  Report report = run_all(options);
  if (options.exhaustive) report.explored = explore_small_worlds();
  const bool complete = options.stop_at_first || report.tally.seeds == options.seeds;
  const auto never = never_happened(report.tally);
  const bool written = write_file(options.junit, to_junit(report, never)) && write_file(options.json, to_json(report));
  tell_some(options, report);
  for (const Failure& failure : report.failures)
    std::printf("seed %lu violates %s\n", failure.seed, failure.rule.c_str());
  for (const Explored& one : report.explored) std::printf("%s\n", describe(one).c_str());
  for (const std::string& what : never) std::printf("never happened: %s\n", what.c_str());
  if (!complete) std::printf("a job ended before its time\n");
  std::printf("%s\n", summary(report).c_str());
  return violations(report) == 0 && never.empty() && complete && written ? 0 : 1;
}
