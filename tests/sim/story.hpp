// A story as it is written: stories/README.md says how.
#pragma once

#include <string>
#include <vector>

#include "sdk/model.hpp"
#include "story_words.hpp"

namespace pvcd::sim {

struct Command {
  std::size_t number = 0;  // in command_patterns()
  Words values;
  std::string text;
  bool undo = false;
  std::optional<Microseconds> lasts;
};

// Done at a time, or when an act happens for the first time, or so long after it.
struct Step {
  unsigned line = 0;
  std::string when;  // an act; empty: counted from the beginning
  Microseconds delay = 0;
  Command command;
};

struct Limit {
  std::string act;  // its first time; empty: the time
  Microseconds time = 0;
};

struct Expectation {
  enum class Kind { Expect, Also, Once, Never, Finally };
  Kind kind = Kind::Expect;
  unsigned line = 0;
  std::string text;  // of the whole line
  std::string act;
  std::optional<Microseconds> by;
  std::optional<Limit> before;
  std::optional<Limit> after;
  std::size_t state = 0;  // Finally: in state_patterns()
  Words values;
};

struct StoryVm {
  VmRecord record;
  bool later = false;  // it is defined by a command
};

struct Story {
  std::string name;
  std::string sentence;
  std::uint64_t memory = 64ULL << 30;  // of each host, bytes
  Names names;
  Words watchdogs;  // hosts that fence themselves
  std::vector<StoryVm> vms;
  std::vector<Step> steps;
  std::vector<Expectation> expectations;
  Microseconds ends_at = 0;
  std::string essence;  // all but the sentence: two stories must not have the same
};

struct Mistake {
  unsigned line;
  std::string text;
};

// The story counts only if there is no mistake in it.
Story read_story(const std::string& name, const std::string& text, std::vector<Mistake>& mistakes);

}  // namespace pvcd::sim
