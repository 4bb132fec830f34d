#include "telling.hpp"

#include <algorithm>
#include <memory>

#include "run.hpp"
#include "story_commands.hpp"
#include "story_states.hpp"
#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds look_interval = milliseconds(250);
constexpr Microseconds stand_limit = seconds(90);
constexpr Microseconds settle_time = seconds(3);  // until each sees of the others what it needs to place VMs there
constexpr Microseconds ask_interval = seconds(10);

bool is_act(const std::string& fact, const std::string& act) {
  return fact.starts_with(act) && (fact.size() == act.size() || fact[act.size()] == ' ');
}

std::string time_text(Microseconds time) {
  const std::string hundredths = std::to_string(time / 10000 % 100);
  return std::to_string(time / seconds(1)) + (hundredths.size() == 1 ? ".0" : ".") + hundredths + " s";
}

// --------------------------------------------------------------------------------------------- held against the acts

class Judgement {
 public:
  Judgement(const Story& story, const std::vector<Fact>& facts) : story_(story), facts_(facts) {}

  std::vector<std::string> run() {
    for (const Expectation& one : story_.expectations) {
      const std::string wrong = judge(one);
      if (!wrong.empty()) wrong_.push_back("line " + std::to_string(one.line) + ": " + one.text + ": " + wrong);
    }
    return std::move(wrong_);
  }

 private:
  std::string judge(const Expectation& one) {
    switch (one.kind) {
      case Expectation::Kind::Expect:
        return judge_next(one);
      case Expectation::Kind::Also:
        return judge_time(one, find(one.act, 0));
      case Expectation::Kind::Once:
        return judge_once(one);
      case Expectation::Kind::Never:
        return judge_never(one);
      case Expectation::Kind::Finally:
        return {};  // of the world, not of the acts
    }
    return {};
  }

  std::size_t find(const std::string& act, std::size_t from) const {
    const auto found = std::find_if(facts_.begin() + static_cast<std::ptrdiff_t>(from), facts_.end(),
                                    [&](const Fact& fact) { return is_act(fact.text, act); });
    return static_cast<std::size_t>(found - facts_.begin());
  }

  // One that is missing is not waited for by the next ones.
  std::string judge_next(const Expectation& one) {
    const std::size_t found = find(one.act, next_);
    if (found == facts_.size() && find(one.act, 0) != facts_.size())
      return "it happened, but not after what the lines before this one expect";
    if (found != facts_.size()) next_ = found + 1;
    return judge_time(one, found);
  }

  std::string judge_time(const Expectation& one, std::size_t found) const {
    if (found == facts_.size()) return "it never happened";
    if (one.by && facts_[found].at > *one.by) return "it happened at " + time_text(facts_[found].at);
    return {};
  }

  std::string judge_once(const Expectation& one) const {
    const auto count =
        std::count_if(facts_.begin(), facts_.end(), [&](const Fact& fact) { return is_act(fact.text, one.act); });
    if (count > 1) return "it happened " + std::to_string(count) + " times";
    return judge_time(one, find(one.act, 0));
  }

  // Before what never happened is always; after it, never.
  std::string judge_never(const Expectation& one) const {
    const Microseconds from = one.after ? moment(*one.after) : 0;
    const Microseconds until = one.before ? moment(*one.before) : never;
    for (const Fact& fact : facts_)
      if (is_act(fact.text, one.act) && fact.at >= from && fact.at < until)
        return "it happened at " + time_text(fact.at);
    return {};
  }

  static constexpr Microseconds never = ~Microseconds{0};
  Microseconds moment(const Limit& limit) const {
    if (limit.act.empty()) return limit.time;
    const std::size_t found = find(limit.act, 0);
    return found == facts_.size() ? never : facts_[found].at;
  }

  const Story& story_;
  const std::vector<Fact>& facts_;
  std::size_t next_ = 0;  // the first fact after those that were expected so far
  std::vector<std::string> wrong_;
};

// ------------------------------------------------------------------------------------------------------------ played

class Play {
 public:
  Play(const Story& story, std::uint64_t seed, bool traced)
      : story_(story), world_(seed, story.names.nodes.size(), traced), steps_(story.steps) {
    world_.calm = true;
  }

  Telling run() {
    if (!stand()) {
      telling_.wrong.push_back("the cluster of this story never stood: " + missing_);
    } else {
      begin_story();
      run_until(began_ + story_.ends_at);
      take_facts();
      telling_.wrong = Judgement(story_, telling_.facts).run();
      judge_end();
      heal();
    }
    if (const auto& violation = world_.oracle.violation())
      telling_.wrong.push_back(violation->rule + " is violated at " + time_text(violation->at - began_) + ": " +
                               violation->text);
    telling_.trace = std::move(world_.story);
    return std::move(telling_);
  }

 private:
  // ---- before the beginning: all hosts have joined, n1 is primary, every BMC answers, every VM runs where it belongs

  bool stand() {
    for (const auto& node : world_.nodes) node->host.memory_total = story_.memory;
    for (const NodeName& name : story_.watchdogs) {
      Watchdog& watchdog = world_.node(world_.index_of(name)).watchdog;
      watchdog.wanted = watchdog.fitted = true;
    }
    for (std::size_t i = 0; i < world_.nodes.size(); ++i) world_.boot(i);
    if (!come(&Play::missing_of_cluster)) return false;
    world_.events.run_until(world_.events.now() + settle_time);
    for (const StoryVm& vm : story_.vms)
      if (!vm.later) world_.define(vm.record);
    return come(&Play::missing_vm);
  }

  bool come(std::string (Play::*missing)()) {
    for (const Instant end = world_.events.now() + stand_limit; world_.events.now() < end;) {
      world_.events.run_until(world_.events.now() + look_interval);
      if (world_.oracle.violation()) return false;
      missing_ = (this->*missing)();
      if (missing_.empty()) return true;
    }
    return false;
  }

  // The home is only preferred, and the role goes to whoever is first: both are asked for.
  std::string missing_of_cluster() {
    for (const std::string& node : story_.names.nodes) {
      if (!holds("<node> takes part", {node})) return node + " has not joined";
      if (!holds("<node> can be fenced", {node})) return "the BMC of " + node + " was not asked";
    }
    if (holds("<node> is primary", {"n1"})) return {};
    if (!holds("nobody is primary", {})) command_now_and_then("make <node> primary", {"n1"});
    return "n1 is not primary";
  }

  std::string missing_vm() {
    for (const StoryVm& vm : story_.vms) {
      if (vm.later || vm.record.wanted != WantedState::Running) continue;
      const Words runs_at_home = {vm.record.name, vm.record.home};
      if (holds("<vm> runs on <node>", runs_at_home) && holds("<vm> waits for nothing", {vm.record.name})) continue;
      if (holds("<vm> runs", {vm.record.name})) command_now_and_then("move <vm> to <node>", runs_at_home);
      return vm.record.name + " does not run on " + vm.record.home;
    }
    return {};
  }

  static std::size_t number_of(const std::vector<const char*>& patterns, const std::string& pattern) {
    return static_cast<std::size_t>(std::find(patterns.begin(), patterns.end(), pattern) - patterns.begin());
  }

  bool holds(const std::string& state, const Words& values) const {
    return contradiction(world_, number_of(state_patterns(), state), values).empty();
  }

  void command_now_and_then(const std::string& pattern, const Words& values) {
    if (world_.events.now() < ask_not_before_) return;
    ask_not_before_ = world_.events.now() + ask_interval;
    begin(world_, story_, number_of(command_patterns(), pattern), values);
  }

  // ------------------------------------------------------------------------------------------------------ the story

  void begin_story() {
    began_ = world_.events.now();
    world_.chronicle.keeps = true;
    world_.chronicle.on_note = [this](const Fact& fact) { take_steps_after(fact.text); };
    for (const Step& step : steps_)
      if (step.when.empty()) plan(step);
  }

  void plan(const Step& step) {
    world_.events.after(step.delay, [this, command = step.command] { carry_out(command); });
  }

  // Each once.
  void take_steps_after(const std::string& fact) {
    for (Step& step : steps_) {
      if (step.when.empty() || !is_act(fact, step.when)) continue;
      plan(step);
      step.when.clear();
    }
  }

  struct Ongoing {
    std::string text;
    Events::Act end;  // taken when it has ended
  };
  using OngoingPointer = std::shared_ptr<Ongoing>;

  static void end(Ongoing& one) {
    if (const Events::Act act = std::exchange(one.end, {})) act();
  }

  void carry_out(const Command& command) {
    if (healed_) return;
    world_.trace([&] { return "-- " + std::string(command.undo ? "undo " : "") + command.text; });
    world_.chronicle.note("-- " + std::string(command.undo ? "undo " : "") + command.text);
    if (command.undo) {
      for (const OngoingPointer& one : ongoing_)
        if (one->text == command.text) end(*one);
      return;
    }
    Events::Act act = begin(world_, story_, command.number, command.values);
    if (!act) return;
    ongoing_.push_back(std::make_shared<Ongoing>(Ongoing{command.text, std::move(act)}));
    if (command.lasts)
      world_.events.after(*command.lasts, [this, one = ongoing_.back()] {
        if (!healed_) world_.chronicle.note("-- end of " + one->text);
        end(*one);
      });
  }

  void run_until(Instant until) {
    while (world_.events.now() < until && !world_.oracle.violation())
      world_.events.run_until(std::min(world_.events.now() + look_interval, until));
  }

  void take_facts() {
    for (Fact fact : world_.chronicle.facts()) {
      fact.at -= began_;
      telling_.facts.push_back(std::move(fact));
    }
  }

  void judge_end() {
    for (const Expectation& one : story_.expectations) {
      if (one.kind != Expectation::Kind::Finally) continue;
      const std::string wrong = contradiction(world_, one.state, one.values);
      if (!wrong.empty()) telling_.wrong.push_back("line " + std::to_string(one.line) + ": " + one.text + ": " + wrong);
    }
  }

  // S10: whatever a story leaves broken is repaired, and then every VM must come to what is wanted of it.
  void heal() {
    healed_ = true;
    world_.chronicle.keeps = false;
    for (auto one = ongoing_.rbegin(); one != ongoing_.rend(); ++one) end(**one);
    if (!world_.oracle.violation()) settle(world_, world_.events.now());
  }

  const Story& story_;
  World world_;
  std::vector<Step> steps_;
  std::vector<OngoingPointer> ongoing_;
  Telling telling_;
  std::string missing_;
  Instant ask_not_before_ = 0;
  Instant began_ = 0;
  bool healed_ = false;
};

}  // namespace

Telling tell(const Story& story, std::uint64_t seed, bool traced) { return Play(story, seed, traced).run(); }

}  // namespace pvcd::sim
