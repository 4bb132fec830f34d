#include "sdk/change.hpp"

namespace pvcd {
namespace {

std::string live_name(const NodeName& node, Incarnation incarnation) {
  return node + "." + std::to_string(incarnation);
}

}  // namespace

Key live_key(const NodeName& node, Incarnation incarnation) { return {Kind::Live, live_name(node, incarnation)}; }
Key session_key(const NodeName& node, Incarnation incarnation) { return {Kind::Session, live_name(node, incarnation)}; }

Key job_key(std::uint64_t id) {
  constexpr std::size_t width = 10;  // of the store's sequence numbers
  const std::string digits = std::to_string(id);
  return {Kind::Job, "j" + std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits};
}

}  // namespace pvcd
