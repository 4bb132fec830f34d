#include "exhaustive.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <unordered_set>

namespace pvcd::sim {
namespace {

constexpr std::uint64_t states_max = 1'000'000;
constexpr std::uint64_t well_every = 64;  // from one state in so many, everything is repaired

struct Size {
  std::size_t nodes;
  std::size_t vms;
  Budget budget;
};

// ticks, deaths, boots, freezes, late, lost answers, silent BMCs, crashes, wishes
const std::vector<Size>& sizes() {
  static const std::vector<Size> all = {
      {2, 1, {3, 1, 1, 1, 1, 0, 0, 0, 0}}, {2, 1, {3, 1, 0, 0, 0, 0, 1, 1, 1}}, {2, 2, {3, 1, 1, 1, 0, 1, 0, 0, 0}},
      {3, 1, {3, 1, 0, 1, 0, 0, 0, 0, 0}}, {3, 1, {2, 0, 0, 1, 1, 1, 0, 0, 0}}, {3, 2, {3, 1, 0, 0, 1, 0, 0, 0, 0}},
  };
  return all;
}

// Depth first, because then a path is at hand when something breaks; a state that was seen is not entered again.
class Exploration {
 public:
  explicit Exploration(const Size& size) { result_.nodes = size.nodes, result_.vms = size.vms; }

  Explored run(const SmallWorld& first) {
    enter(first, "");
    while (!path_.empty() && result_.rule.empty() && result_.states < states_max) {
      Place& here = path_.back();
      if (here.next == here.moves.size()) {
        path_.pop_back();
        continue;
      }
      const SmallWorld::Move& move = here.moves[here.next++];
      SmallWorld world = here.world;
      move.make(world);
      result_.transitions++;
      enter(world, move.what);
    }
    result_.closed = path_.empty();
    return std::move(result_);
  }

 private:
  struct Place {
    SmallWorld world;
    std::vector<SmallWorld::Move> moves;
    std::string what;
    std::size_t next = 0;
  };

  void enter(const SmallWorld& world, const std::string& what) {
    const auto [low, high] = world.hash();
    if (!seen_.insert(low ^ (high << 1)).second) return;
    result_.states++;
    path_.push_back({world, world.moves(), what});
    result_.depth = std::max(result_.depth, path_.size() - 1);
    if (world.broken()) return tell(*world.broken());
    if (result_.states % well_every != 0) return;
    SmallWorld repaired = world;
    const std::string unwell = repaired.repair();
    if (repaired.broken()) return tell(*repaired.broken());
    if (!unwell.empty()) tell({"S10", "everything is repaired, and " + unwell});
  }

  void tell(const Broken& broken) {
    result_.rule = broken.rule;
    for (const Place& place : path_)
      if (!place.what.empty()) result_.story += place.what + "; ";
    result_.story += broken.text;
  }

  Explored result_;
  std::vector<Place> path_;
  std::unordered_set<std::uint64_t> seen_;
};

struct Child {
  pid_t pid;
  std::FILE* from;
};

Child start(const Size& size) {
  int ends[2];
  if (pipe(ends) != 0) return {-1, nullptr};
  const pid_t pid = fork();
  if (pid != 0) {
    close(ends[1]);
    return {pid, fdopen(ends[0], "r")};
  }
  close(ends[0]);
  const Explored done = Exploration(size).run(SmallWorld(size.nodes, size.vms, size.budget));
  std::FILE* to = fdopen(ends[1], "w");
  std::fprintf(to, "%zu %lu %lu %d %s\n%s\n", done.depth, done.states, done.transitions, done.closed,
               done.rule.empty() ? "-" : done.rule.c_str(), done.story.c_str());
  std::fclose(to);
  _exit(0);
}

Explored finish(const Size& size, const Child& child) {
  Explored result;
  result.nodes = size.nodes;
  result.vms = size.vms;
  result.rule = "crash";
  if (!child.from) return result;
  std::string text;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, child.from)) text.append(buffer, count);
  std::fclose(child.from);
  waitpid(child.pid, nullptr, 0);
  std::istringstream in(text);
  if (!(in >> result.depth >> result.states >> result.transitions >> result.closed >> result.rule)) return result;
  if (result.rule == "-") result.rule.clear();
  std::getline(in >> std::ws, result.story);
  return result;
}

}  // namespace

std::vector<Explored> explore_small_worlds() {
  std::vector<Child> children;
  for (const Size& size : sizes()) children.push_back(start(size));
  std::vector<Explored> all;
  for (std::size_t i = 0; i < children.size(); ++i) all.push_back(finish(sizes()[i], children[i]));
  return all;
}

std::string describe(const Explored& one) {
  std::string text = std::to_string(one.nodes) + " nodes, " + std::to_string(one.vms) +
                     " VMs: " + std::to_string(one.states) + " states, " + std::to_string(one.transitions) +
                     " transitions, depth " + std::to_string(one.depth) + (one.closed ? ", closed" : ", not closed");
  if (!one.rule.empty()) text += "\nsmall world violates " + one.rule + ": " + one.story;
  return text;
}

std::string to_json(const std::vector<Explored>& all) {
  std::string text;
  for (const Explored& one : all)
    text += std::string(text.empty() ? "" : ", ") + "{\"nodes\": " + std::to_string(one.nodes) +
            ", \"vms\": " + std::to_string(one.vms) + ", \"depth\": " + std::to_string(one.depth) +
            ", \"states\": " + std::to_string(one.states) + ", \"transitions\": " + std::to_string(one.transitions) +
            ", \"closed\": " + (one.closed ? "true" : "false") + ", \"violation\": \"" + one.rule + "\"}";
  return "[" + text + "]";
}

}  // namespace pvcd::sim
