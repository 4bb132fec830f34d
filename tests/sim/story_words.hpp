// The words of a story: patterns such as "cut power of <nodes>", and what a line of a story has in their places.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd::sim {

using Words = std::vector<std::string>;
Words words_of(const std::string& text);
std::string joined(const Words&, const char* separator = " ");

// What <node> and <vm> may stand for.
struct Names {
  std::vector<std::string> nodes;
  std::vector<std::string> vms;
};

// What stands in the places of the pattern, in order; <nodes> is one value, its names joined by blanks.
std::optional<Words> match(const std::string& pattern, const Words&, const Names&);

// The words are the beginning of what the pattern describes, or all of it.
bool begins(const std::string& pattern, const Words&, const Names&);

std::optional<std::uint64_t> number_in(const std::string& word);
std::optional<Microseconds> time_in(const std::string& number, const std::string& unit);  // 5 s, 200 ms, 2 min

// Takes "KEYWORD 5 s" off the end, if that is what it ends with.
std::optional<Microseconds> take_time_off(Words&, const std::string& keyword);

}  // namespace pvcd::sim
