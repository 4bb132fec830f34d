#include "json.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace pvcd::ceph_osd {

namespace {

// The store takes no larger number (store/json.hpp).
constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();

constexpr std::array<std::string_view, 6> no_numbers = {"-nan", "nan", "-inf", "inf", "NaN", "Infinity"};

// Where a value may begin with such a word, outside of texts.
std::size_t no_number_at(const std::string& from, std::size_t at) {
  for (const std::string_view word : no_numbers)
    if (from.compare(at, word.size(), word) == 0) return word.size();
  return 0;
}

std::string without_no_numbers(const std::string& from) {
  std::string result;
  result.reserve(from.size());
  bool in_text = false;
  for (std::size_t at = 0; at < from.size(); ++at) {
    const char c = from[at];
    if (in_text && c == '\\' && at + 1 < from.size()) {
      result += c;
      result += from[++at];
      continue;
    }
    if (c == '"') in_text = !in_text;
    const std::size_t skipped = in_text ? 0 : no_number_at(from, at);
    if (skipped == 0) {
      result += c;
      continue;
    }
    result += "null";
    at += skipped - 1;
  }
  return result;
}

}  // namespace

std::optional<Json> parse(const std::string& text) {
  Json parsed = Json::parse(text, nullptr, false);
  if (parsed.is_discarded()) parsed = Json::parse(without_no_numbers(text), nullptr, false);
  if (parsed.is_discarded()) return std::nullopt;
  return parsed;
}

const Json* member(const Json& of, const char* key) {
  if (!of.is_object()) return nullptr;
  const auto found = of.find(key);
  return found == of.end() ? nullptr : &*found;
}

const Json* list(const Json& of, const char* key) {
  const Json* found = member(of, key);
  return found != nullptr && found->is_array() ? found : nullptr;
}

std::string text(const Json& of, const char* key) {
  const Json* found = member(of, key);
  if (found == nullptr || !found->is_string()) return {};
  return found->get_ref<const std::string&>().substr(0, text_bytes_max);
}

std::optional<double> number(const Json& of, const char* key) {
  const Json* found = member(of, key);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> count(const Json& of, const char* key) {
  const std::optional<double> value = number(of, key);
  if (!value) return std::nullopt;
  const Json& found = *member(of, key);
  if (found.is_number_unsigned())
    return found.get<std::uint64_t>() <= largest ? std::optional(found.get<std::uint64_t>()) : std::nullopt;
  if (*value >= static_cast<double>(largest)) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(*value));
}

std::optional<std::uint64_t> times(std::optional<std::uint64_t> value, std::uint64_t factor) {
  if (!value || *value > largest / factor) return std::nullopt;
  return *value * factor;
}

std::optional<std::uint32_t> id(const Json& of, const char* key) {
  const Json* found = member(of, key);
  if (found == nullptr || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  if (!std::in_range<std::int32_t>(value)) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<bool> flag(const Json& of, const char* key) {
  const Json* found = member(of, key);
  if (found != nullptr && found->is_boolean()) return found->get<bool>();
  const std::optional<std::uint64_t> value = count(of, key);
  if (!value) return std::nullopt;
  return *value != 0;
}

}  // namespace pvcd::ceph_osd
