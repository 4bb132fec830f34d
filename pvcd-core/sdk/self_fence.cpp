#include "sdk/self_fence.hpp"

#include <algorithm>

#include "sdk/line.hpp"

namespace pvcd {
namespace {

constexpr std::string_view armed_word = "armed";
constexpr std::string_view unarmed_word = "unarmed";

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

std::string encode_self_fence(const BootId& boot, const SelfFence& words) {
  return boot + " " + std::string(words.armed ? armed_word : unarmed_word) + " " + std::to_string(words.after) + " " +
         std::to_string(words.watchdog_timeout) + " " + on_one_line(words.note) + "\n";
}

std::optional<SelfFence> decode_self_fence(std::string_view text, const BootId& boot) {
  const auto line = whole_line(text);
  if (!line || boot.empty()) return std::nullopt;
  std::string_view rest = *line;
  if (take_word(rest) != boot) return std::nullopt;
  const std::string_view state = take_word(rest);
  SelfFence words;
  words.armed = state == armed_word;
  if (!words.armed && state != unarmed_word) return std::nullopt;
  if (!read_number(take_word(rest), words.after) || !read_number(take_word(rest), words.watchdog_timeout))
    return std::nullopt;
  words.note = rest;
  return words;
}

std::string encode_disarm(const BootId& boot) { return boot + "\n"; }
bool permits_disarm(std::string_view text, const BootId& boot) { return !boot.empty() && text == encode_disarm(boot); }

}  // namespace pvcd
