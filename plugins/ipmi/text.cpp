#include "text.hpp"

#include <algorithm>

namespace pvcd::ipmi {
namespace {

constexpr std::size_t note_characters_max = 200;

bool blank(char character) { return static_cast<unsigned char>(character) <= ' '; }

}  // namespace

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& character : result)
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string one_line(std::string_view text) {
  std::string result;
  for (const char character : trimmed(text).substr(0, note_characters_max)) {
    if (character == '\n')
      result += "; ";
    else if (static_cast<unsigned char>(character) >= ' ' && static_cast<unsigned char>(character) < 127)
      result += character;
  }
  return result;
}

std::optional<std::string_view> value_after(std::string_view output, std::string_view label) {
  while (!output.empty()) {
    const std::size_t end = std::min(output.find_first_of("\r\n"), output.size());
    const std::string_view line = trimmed(output.substr(0, end));
    output.remove_prefix(std::min(end + 1, output.size()));
    if (lower_case(line.substr(0, label.size())) == label) return trimmed(line.substr(label.size()));
  }
  return std::nullopt;
}

}  // namespace pvcd::ipmi
