// The small texts that units of one host leave for each other: one line of fields, each but the last without a space.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pvcd {

// The line without its end; nothing if it was cut short or more follows.
inline std::optional<std::string_view> whole_line(std::string_view text) {
  if (text.empty() || text.find('\n') != text.size() - 1) return std::nullopt;
  return text.substr(0, text.size() - 1);
}

inline bool read_number(std::string_view text, std::uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

inline std::string on_one_line(std::string text) {
  for (char& letter : text)
    if (letter == '\n') letter = ' ';
  return text;
}

}  // namespace pvcd
