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

// "rbd:vms%2Fweb1"
std::string image_name(const Disk& disk) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string name = disk.kind == DiskKind::Rbd ? "rbd:" : "shared:";
  for (const char letter : disk.source) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                       byte == '-' || byte == '_' || byte == '.';
    name += plain ? std::string{letter} : std::string{'%', digits[byte / 16], digits[byte % 16]};
  }
  return name;
}

}  // namespace

Key live_key(const NodeName& node, Incarnation incarnation) { return {Kind::Live, live_name(node, incarnation)}; }
Key session_key(const NodeName& node, Incarnation incarnation) { return {Kind::Session, live_name(node, incarnation)}; }

std::vector<Key> image_keys(const VmRecord& vm) {
  std::vector<Key> keys;
  for (const Disk& disk : vm.disks)
    if (disk.kind != DiskKind::Local) keys.push_back({Kind::Image, image_name(disk)});
  return keys;
}

Key job_key(std::uint64_t id) { return {Kind::Job, "j" + padded(id)}; }
Key decision_key(std::uint64_t id) { return {Kind::Decision, "d" + padded(id)}; }
Key link_key(const VmUuid& vm, std::uint64_t number) { return {Kind::Link, vm + "/l" + padded(number)}; }

std::optional<std::uint64_t> number_of(const std::string& name) {
  const auto before = name.find_last_not_of("0123456789");
  const char* first = name.data() + (before == std::string::npos ? 0 : before + 1);
  const char* last = name.data() + name.size();
  std::uint64_t number = 0;
  return std::from_chars(first, last, number).ec == std::errc{} ? std::optional(number) : std::nullopt;
}

}  // namespace pvcd
