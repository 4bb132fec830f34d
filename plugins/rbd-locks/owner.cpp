#include "owner.hpp"

#include <algorithm>
#include <optional>

namespace pvcd::rbd_locks {

namespace {

bool has_instance(const std::vector<ClientInstance>& instances, const Address& address) {
  return std::ranges::any_of(instances, [&](const auto& each) { return parse_address(each.address) == address; });
}

bool has_host(const std::vector<std::string>& hosts, const std::string& host) {
  return std::ranges::any_of(hosts, [&](const auto& each) { return parse_host(each) == host; });
}

const char* text_of(CoverKind cover) {
  switch (cover) {
    case CoverKind::None:
      return "nothing";
    case CoverKind::Release:
      return "its release";
    case CoverKind::Power:
      return "its power being off";
    case CoverKind::LaterBoot:
      return "a later boot of its host";
    case CoverKind::Operator:
      return "the operator's word that it is off";
    case CoverKind::Storage:
      return "its address being shut out of Ceph";
    case CoverKind::Watchdog:
      return "its own watchdog, which has cut it";
  }
  return "nothing";
}

std::string life_text(const Life& life) { return life.node + " (boot " + life.boot + ")"; }

// A release is the owner's word that nothing of it is left; an instance that is still listed contradicts it.
bool is_evidence(CoverKind cover) {
  return cover == CoverKind::Power || cover == CoverKind::LaterBoot || cover == CoverKind::Operator ||
         cover == CoverKind::Storage || cover == CoverKind::Watchdog;
}

// Ends every client of the host, not only those that were recorded: after a later boot the same address may belong to
// something that lives.
bool ends_whole_host(CoverKind cover) {
  return cover == CoverKind::Power || cover == CoverKind::Operator || cover == CoverKind::Storage ||
         cover == CoverKind::Watchdog;
}

std::optional<Owner> recorded_as_dead(const Address& address, const VmStart& start) {
  if (has_instance(start.own_dead, address)) {
    return Owner{Standing::Dead, start.self.node, false, "recorded by this node, its process is gone"};
  }
  for (const Writer& writer : start.covered) {
    if (!is_evidence(writer.cover) || !has_instance(writer.instances, address)) continue;
    return Owner{Standing::Dead, writer.life.node, false,
                 "recorded by " + life_text(writer.life) + ", covered by " + text_of(writer.cover)};
  }
  return std::nullopt;
}

std::optional<Owner> of_another_living_node(const Address& address, const VmStart& start) {
  for (const auto& [node, hosts] : start.living) {
    if (node == start.self.node || !has_host(hosts, address.host)) continue;
    return Owner{Standing::Foreign, node, true, "on " + node + ", which lives"};
  }
  return std::nullopt;
}

// The newest writer with this address speaks for it: power evidence about an earlier boot says nothing of a later one.
const Writer* newest_writer_at(const std::string& host, const VmStart& start) {
  const Writer* newest = nullptr;
  for (const Writer& writer : start.covered) {
    if (!has_host(writer.storage_addresses, host)) continue;
    if (newest == nullptr || writer.generation > newest->generation) newest = &writer;
  }
  return newest;
}

}  // namespace

Owner owner_of(const Address& address, const VmStart& start) {
  if (const auto dead = recorded_as_dead(address, start)) return *dead;
  if (const auto foreign = of_another_living_node(address, start)) return *foreign;
  if (has_host(start.own_addresses, address.host)) return {Standing::Own, start.self.node, false, "on this node"};

  const Writer* writer = newest_writer_at(address.host, start);
  if (writer == nullptr)
    return {Standing::Foreign, "", false, "on no node that is known to live or to have run this VM"};

  const NodeName& node = writer->life.node;
  if (ends_whole_host(writer->cover) && !start.living.contains(node)) {
    return {Standing::Dead, node, false, "on " + life_text(writer->life) + ", covered by " + text_of(writer->cover)};
  }
  const std::string lives_again = start.living.contains(node) ? " while the node lives again" : "";
  return {Standing::Foreign, node, false,
          "at an address of " + life_text(writer->life) + ", not recorded, and " + text_of(writer->cover) +
              " does not prove it dead" + lives_again};
}

}  // namespace pvcd::rbd_locks
