#include "story.hpp"

#include <algorithm>
#include <functional>
#include <regex>
#include <sstream>

#include "chronicle.hpp"
#include "settings.hpp"
#include "story_commands.hpp"
#include "story_states.hpp"

namespace pvcd::sim {
namespace {

constexpr std::uint64_t nodes_min = 3;
constexpr std::uint64_t nodes_max = 12;

const std::regex& sentence_form() {
  static const std::regex form("((scenario [A-K][0-9]+|safety [0-9]+|design)(, )?)+: .+");
  return form;
}

template <class Patterns>
std::string allowed(const Patterns& patterns) {
  std::string text = "; allowed:";
  for (const char* pattern : patterns) text += std::string("\n    ") + pattern;
  return text;
}

class Reader {
 public:
  Reader(Story& story, std::vector<Mistake>& mistakes) : story_(story), mistakes_(mistakes) { set_nodes(nodes_min); }

  void read(const std::string& text) {
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      ++line_;
      line_text_ = line.substr(0, line.find('#'));
      const Words words = words_of(line_text_);
      if (words.empty()) continue;
      if (story_.sentence.empty())
        read_sentence(line);
      else
        read_line(words);
    }
    check_whole();
  }

 private:
  void complain(const std::string& text) { mistakes_.push_back({line_, text}); }

  void read_sentence(const std::string& line) {
    story_.sentence = line;
    if (!std::regex_match(line, sentence_form()))
      complain(
          "the first line is a sentence that says where the story is from, such as 'scenario A2, safety 9: A host "
          "...'");
  }

  void read_line(const Words& words) {
    story_.essence += joined(words) + "\n";
    const std::string& first = words.front();
    const Words rest(words.begin() + 1, words.end());
    if (first == "hosts") return read_nodes(rest);
    if (first == "memory") return read_memory(rest);
    if (first == "watchdogs") return read_watchdogs(rest);
    if (first == "vm") return read_vm();
    if (first == "ends") return read_end(rest);
    if (first == "at" || first == "when" || number_in(first)) return read_step();
    if (first == "expect") return read_act_line(Expectation::Kind::Expect, rest);
    if (first == "also") return read_act_line(Expectation::Kind::Also, rest);
    if (first == "once") return read_act_line(Expectation::Kind::Once, rest);
    if (first == "never") return read_never(rest);
    if (first == "finally") return read_finally(rest);
    complain("a line does not begin with '" + first +
             "'; allowed: hosts, memory, watchdogs, vm, at, when, 5 s after, expect, also, once, never, finally, ends");
  }

  // ---------------------------------------------------------------------------------------------------- the cluster

  void set_nodes(std::uint64_t count) {
    story_.names.nodes.clear();
    for (std::uint64_t i = 1; i <= count; ++i) story_.names.nodes.push_back("n" + std::to_string(i));
  }

  void read_nodes(const Words& words) {
    const auto count = words.size() == 1 ? number_in(words[0]) : std::nullopt;
    if (!count || *count < nodes_min || *count > nodes_max) return complain("allowed: hosts 3 ... hosts 12");
    set_nodes(*count);
  }

  void read_memory(const Words& words) {
    const auto bytes = memory_in(words);
    if (!bytes) return complain("allowed: memory 16 GiB");
    story_.memory = *bytes;
  }

  void read_watchdogs(const Words& words) {
    const auto nodes = match("on <nodes>", words, story_.names);
    if (!nodes) return complain("allowed: watchdogs on n1 n3");
    story_.watchdogs = words_of(nodes->front());
  }

  static std::optional<std::uint64_t> memory_in(const Words& words) {
    if (words.size() != 2 || words[1] != "GiB" || !number_in(words[0])) return std::nullopt;
    return *number_in(words[0]) * gibibyte;
  }

  void read_vm() {
    std::istringstream stream(line_text_);
    std::string part;
    std::getline(stream, part, ',');
    const Words words = words_of(part);
    StoryVm vm;
    if (words.size() != 4 || words[2] != "on" || !is_node(words[3]))
      return complain("allowed: vm NAME on HOST, and then options with a comma before each");
    vm.record.name = words[1];
    vm.record.uuid = vm_uuid(words[1]);
    vm.record.home = words[3];
    vm.record.wanted = WantedState::Running;
    vm.record.memory = 2 * gibibyte;
    vm.record.disks = {{"vda", DiskKind::Rbd, "vms/" + words[1]}};
    while (std::getline(stream, part, ',')) read_option(vm, words_of(part));
    story_.names.vms.push_back(words[1]);
    story_.vms.push_back(std::move(vm));
  }

  void read_option(StoryVm& vm, const Words& words) {
    const std::string text = joined(words);
    if (text == "later") {
      vm.later = true;
    } else if (text == "stopped") {
      vm.record.wanted = WantedState::Stopped;
    } else if (text == "two disks") {
      vm.record.disks.push_back({"vdb", DiskKind::Rbd, "vms/" + vm.record.name + "-data"});
    } else if (text == "a local disk") {
      vm.record.disks.push_back({"vdc", DiskKind::Local, "/var/lib/" + vm.record.name});
    } else if (text == "a shared disk") {
      vm.record.disks.push_back({"vdd", DiskKind::Shared, shared_directory + ("/" + vm.record.name)});
    } else if (const auto bytes = memory_in(words)) {
      vm.record.memory = *bytes;
    } else if (words.size() == 2 && words[0] == "priority" && number_in(words[1])) {
      vm.record.priority = static_cast<std::int32_t>(*number_in(words[1]));
    } else if (const auto nodes = match("only <nodes>", words, story_.names)) {
      vm.record.node_limit = words_of(nodes->front());
    } else {
      complain("unknown option of a VM: '" + text +
               "'; allowed: later, stopped, two disks, a local disk, a shared disk, 4 GiB, priority 2, only n1 n2");
    }
  }

  bool is_node(const std::string& word) const {
    return std::find(story_.names.nodes.begin(), story_.names.nodes.end(), word) != story_.names.nodes.end();
  }

  void read_end(const Words& words) {
    const auto time = words.size() == 3 && words[0] == "at" ? time_in(words[1], words[2]) : std::nullopt;
    if (!time) return complain("allowed: ends at 60 s");
    story_.ends_at = *time;
  }

  // -------------------------------------------------------------------------------------------------- what is done

  // at 5 s: COMMAND | when ACT: COMMAND | 5 s after ACT: COMMAND
  void read_step() {
    const auto colon = line_text_.find(':');
    if (colon == std::string::npos) return complain("a colon is missing between the time and what is done");
    Step step;
    step.line = line_;
    Words moment = words_of(line_text_.substr(0, colon));
    if (moment.front() == "when") {
      step.when = read_act({moment.begin() + 1, moment.end()});
    } else if (moment.front() == "at") {
      const auto time = moment.size() == 3 ? time_in(moment[1], moment[2]) : std::nullopt;
      if (!time) return complain("allowed: at 5 s: ..., at 200 ms: ..., at 2 min: ...");
      step.delay = *time;
    } else {
      const auto time = moment.size() > 3 && moment[2] == "after" ? time_in(moment[0], moment[1]) : std::nullopt;
      if (!time) return complain("allowed: 5 s after ACT: ...");
      step.delay = *time;
      step.when = read_act({moment.begin() + 3, moment.end()});
    }
    read_command(step.command, words_of(line_text_.substr(colon + 1)));
    story_.steps.push_back(std::move(step));
  }

  void read_command(Command& command, Words words) {
    command.undo = !words.empty() && words.front() == "undo";
    if (command.undo) words.erase(words.begin());
    command.lasts = take_time_off(words, "for");
    command.text = joined(words);
    const auto& patterns = command_patterns();
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      auto values = match(patterns[i], words, story_.names);
      if (!values) continue;
      command.number = i;
      command.values = std::move(*values);
      if ((command.lasts || command.undo) && !can_be_undone(i)) complain("'" + command.text + "' is over at once");
      if (command.undo && !was_begun(command.text)) complain("no line before this one does '" + command.text + "'");
      return;
    }
    complain("unknown command '" + command.text + "'" + allowed(patterns));
  }

  bool was_begun(const std::string& text) const {
    return std::any_of(story_.steps.begin(), story_.steps.end(), [&](const Step& step) {
      return step.command.text == text && !step.command.undo && !step.command.lasts;
    });
  }

  // ------------------------------------------------------------------------------------------------ what is expected

  std::string read_act(const Words& words) {
    const bool known = std::any_of(std::begin(act_patterns), std::end(act_patterns),
                                   [&](const char* pattern) { return begins(pattern, words, story_.names); });
    if (!known) complain("unknown act '" + joined(words) + "'" + allowed(act_patterns));
    return joined(words);
  }

  Expectation& add(Expectation::Kind kind) {
    Expectation& one = story_.expectations.emplace_back();
    one.kind = kind;
    one.line = line_;
    one.text = joined(words_of(line_text_));
    return one;
  }

  void read_act_line(Expectation::Kind kind, Words words) {
    Expectation& one = add(kind);
    one.by = take_time_off(words, "by");
    one.act = read_act(words);
  }

  // never ACT | never ACT before ACT | never ACT after 5 s
  void read_never(const Words& words) {
    Expectation& one = add(Expectation::Kind::Never);
    const auto is_limit = [](const std::string& word) { return word == "before" || word == "after"; };
    const auto limit = std::find_if(words.begin(), words.end(), is_limit);
    one.act = read_act({words.begin(), limit});
    if (limit == words.end()) return;
    (*limit == "before" ? one.before : one.after) = read_limit({limit + 1, words.end()});
  }

  Limit read_limit(const Words& words) {
    if (words.size() == 2)
      if (const auto time = time_in(words[0], words[1])) return {{}, *time};
    return {read_act(words), 0};
  }

  void read_finally(const Words& words) {
    Expectation& one = add(Expectation::Kind::Finally);
    const auto& patterns = state_patterns();
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      auto values = match(patterns[i], words, story_.names);
      if (!values) continue;
      one.state = i;
      one.values = std::move(*values);
      return;
    }
    complain("unknown state '" + joined(words) + "'" + allowed(patterns));
  }

  // A story that expects no act cannot fail in the way that it should.
  void check_whole() {
    const auto is_act = [](const Expectation& one) {
      return one.kind != Expectation::Kind::Never && one.kind != Expectation::Kind::Finally;
    };
    if (story_.sentence.empty()) return complain("it is empty");
    if (story_.steps.empty()) complain("nothing is done: a line such as 'at 5 s: cut power of n3' is missing");
    if (std::none_of(story_.expectations.begin(), story_.expectations.end(), is_act))
      complain("no act is expected: a line with expect, also or once is missing");
    if (story_.ends_at == 0) complain("the end is missing: 'ends at 60 s'");
  }

  Story& story_;
  std::vector<Mistake>& mistakes_;
  unsigned line_ = 0;
  std::string line_text_;
};

}  // namespace

Story read_story(const std::string& name, const std::string& text, std::vector<Mistake>& mistakes) {
  Story story;
  story.name = name;
  Reader(story, mistakes).read(text);
  return story;
}

}  // namespace pvcd::sim
