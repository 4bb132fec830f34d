#include "identity.hpp"

#include "guid.hpp"
#include "sdk/bmc_identity.hpp"

namespace pvcd::ipmi {
namespace {

// The configured one is for a host whose firmware shows none: over a recorded one it would make another machine's BMC
// this node's, and switching that off would prove this node off.
std::string expected_guid(const Settings& settings, const NodeName& node, const std::string& system_uuid) {
  const auto configured = canonical_uuid(settings.table("bmc", node).text("guid"));
  const auto recorded = canonical_uuid(system_uuid);
  if (!configured && !recorded)
    throw Error("whose BMC it is cannot be checked: " + node + " recorded no system UUID and [bmc." + node +
                "] has no guid");
  if (configured && recorded && !same_machine(*configured, *recorded))
    throw Error(
        "plugins.d/ipmi.toml: [bmc." + node + "] guid is " + *configured + ", but " + node +
        " recorded the system UUID " + *recorded + ": remove guid; where firmware and BMC differ, set " +
        "node.system_uuid of that host to what its BMC says and restart pvcd-keepalive there, before it reboots");
  const std::string expected = recorded.value_or(configured.value_or(""));
  // A table copied with its guid would let one machine's BMC prove another machine off.
  for (const std::string& other : settings.tables("bmc")) {
    const auto theirs = canonical_uuid(settings.table("bmc", other).text("guid"));
    if (other != node && theirs && same_machine(*theirs, expected))
      throw Error("plugins.d/ipmi.toml: [bmc." + other + "] has the guid of " + node + ", " + expected +
                  ": each BMC has its own");
  }
  return expected;
}

std::string expected_mark(const NodeName& node, const BootId& boot) {
  const auto id = canonical_uuid(boot);
  if (!id) throw Error("whose BMC it is cannot be checked: the boot of " + node + ", \"" + boot + "\", is no boot id");
  return *id;
}

}  // namespace

Identity::Identity(const Settings& settings, const NodeName& node, const BootId& boot, const std::string& system_uuid)
    : node_(node),
      marked_(settings.table("bmc", node).text("identity") == bmc_by_mark),
      expected_(marked_ ? expected_mark(node, boot) : expected_guid(settings, node, system_uuid)) {}

Identity::Verdict Identity::of(const Bmc& bmc, Instant deadline) const {
  return marked_ ? by_mark(bmc, deadline) : by_guid(bmc, deadline);
}

Identity::Verdict Identity::by_guid(const Bmc& bmc, Instant deadline) const {
  const Shown guid = bmc.read_guid(deadline);
  if (guid.uuid.empty()) return {{}, "BMC of " + node_ + ": " + guid.note};
  if (same_machine(guid.uuid, expected_)) return {guid.uuid, {}};
  return {guid.uuid, "the BMC configured for " + node_ + " belongs to another machine: its GUID is " + guid.uuid +
                         ", not " + expected_};
}

// The bytes come as they were written, by us: another order is another boot.
Identity::Verdict Identity::by_mark(const Bmc& bmc, Instant deadline) const {
  const Shown mark = bmc.read_mark(deadline);
  if (mark.uuid.empty()) return {{}, "BMC of " + node_ + ": " + mark.note};
  if (mark.uuid == expected_) return {};
  return {{},
          "the BMC configured for " + node_ + " carries the mark of boot " + mark.uuid + ", not of " + node_ +
              "'s boot " + expected_ + ": it is another machine's, or " + node_ + " has not marked it since it booted"};
}

}  // namespace pvcd::ipmi
