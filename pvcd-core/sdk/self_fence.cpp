#include "sdk/self_fence.hpp"

#include <charconv>

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

bool read_number(std::string_view text, std::uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string encode_self_fence(const BootId& boot, const SelfFence& words) {
  std::string note = words.note;
  for (char& letter : note)
    if (letter == '\n') letter = ' ';
  return boot + " " + std::string(words.armed ? armed_word : unarmed_word) + " " + std::to_string(words.after) + " " +
         std::to_string(words.watchdog_timeout) + " " + note + "\n";
}

std::optional<SelfFence> decode_self_fence(std::string_view text, const BootId& boot) {
  if (text.empty() || text.find('\n') != text.size() - 1) return std::nullopt;
  text.remove_suffix(1);
  if (boot.empty() || take_word(text) != boot) return std::nullopt;
  const std::string_view state = take_word(text);
  SelfFence words;
  words.armed = state == armed_word;
  if (!words.armed && state != unarmed_word) return std::nullopt;
  if (!read_number(take_word(text), words.after) || !read_number(take_word(text), words.watchdog_timeout))
    return std::nullopt;
  words.note = text;
  return words;
}

std::string encode_disarm(const BootId& boot) { return boot + "\n"; }
bool permits_disarm(std::string_view text, const BootId& boot) { return !boot.empty() && text == encode_disarm(boot); }

}  // namespace pvcd
