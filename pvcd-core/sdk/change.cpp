#include "sdk/change.hpp"

#include <charconv>

namespace pvcd {
namespace {

std::string live_name(const NodeName& node, Incarnation incarnation) {
  return node + "." + std::to_string(incarnation);
}

std::string padded(std::uint64_t id) {
  constexpr std::size_t width = 10;  // of the store's sequence numbers
  const std::string digits = std::to_string(id);
  return std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits;
}

}  // namespace

Key live_key(const NodeName& node, Incarnation incarnation) { return {Kind::Live, live_name(node, incarnation)}; }
Key session_key(const NodeName& node, Incarnation incarnation) { return {Kind::Session, live_name(node, incarnation)}; }

Key job_key(std::uint64_t id) { return {Kind::Job, "j" + padded(id)}; }
Key decision_key(std::uint64_t id) { return {Kind::Decision, "d" + padded(id)}; }

std::optional<std::uint64_t> number_of(const std::string& name) {
  const auto before = name.find_last_not_of("0123456789");
  const char* first = name.data() + (before == std::string::npos ? 0 : before + 1);
  const char* last = name.data() + name.size();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(first, last, number);
  return error == std::errc{} && end == last ? std::optional(number) : std::nullopt;
}

}  // namespace pvcd
