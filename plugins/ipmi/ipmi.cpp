#include "ipmi.hpp"

#include <algorithm>
#include <utility>

#include "guid.hpp"
#include "sdk/permit.hpp"
#include "secret.hpp"

namespace pvcd::ipmi {
namespace {

// Only a node that has another one's BMC by mistake waits, and never so long that its request is taken for a stall.
constexpr Microseconds turn_limit = seconds(2);

std::string wrong_machine(const NodeName& node, const std::string& guid, const std::string& expected) {
  return "the BMC configured for " + node + " belongs to another machine: its GUID is " + guid + ", not " + expected;
}

// What the BMC's GUID has to be. The configured one is for a host whose firmware shows none: over a recorded one it
// would make another machine's BMC this node's, and switching that off would prove this node off.
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

std::string end_point(const Settings& bmc) {
  return bmc.text("address") + " port " + std::to_string(bmc.number("port"));
}

}  // namespace

// One password that cannot be used must not take the BMCs of all other nodes away, so it is only said here. A file that
// is missing or open to others has stopped the start before.
void Ipmi::start(Host& host) {
  host_ = &host;
  for (const std::string& node : host.settings().tables("bmc")) {
    try {
      Secret(host.settings().table("bmc", node).text("password_file"));
    } catch (const Error& error) {
      host.log(Level::Warning, "[bmc." + node + "] " + error.what());
    }
  }
}

Instant Ipmi::deadline() const {
  return boottime_now() + milliseconds(static_cast<std::uint64_t>(host_->settings().number("timeout_ms")));
}

Ipmi::Target Ipmi::target(const NodeName& node, const std::string& system_uuid) const {
  const Settings& settings = host_->settings();
  const std::vector<std::string> known = settings.tables("bmc");
  if (std::find(known.begin(), known.end(), node) == known.end())
    throw Error("no BMC is configured for " + node + ": add [bmc." + node + "] to plugins.d/ipmi.toml");
  const Settings& table = settings.table("bmc", node);
  std::string expected = expected_guid(settings, node, system_uuid);
  auto alone = turns_.take(end_point(table), turn_limit);
  if (!alone)
    throw Error("the BMC at " + end_point(table) + " is being spoken to about another node: [bmc." + node +
                "] has the address of another table");
  return {Bmc({table.text("address"), table.number("port"), table.text("username"), table.text("password_file"),
               settings.number("cipher_suite")}),
          std::move(expected), std::move(alone)};
}

PowerReading Ipmi::read(const ReadRequest& request) {
  PowerReading reading;
  try {
    const Target target = this->target(request.node, request.system_uuid);
    const GuidReading identity = target.bmc.read_guid(deadline());
    if (identity.guid.empty()) {
      reading.note = "BMC of " + request.node + ": " + identity.note;
    } else if (!same_machine(identity.guid, target.expected_guid)) {
      reading.note = wrong_machine(request.node, identity.guid, target.expected_guid);
    } else {
      reading = target.bmc.read_power(deadline());
      if (!reading.note.empty()) reading.note = "BMC of " + request.node + ": " + reading.note;
    }
    reading.guid = identity.guid;
  } catch (const Error& error) {
    reading.note = error.what();
  }
  return reading;
}

Answer Ipmi::power(const PowerRequest& request) {
  Answer answer;
  try {
    answer = send(request);
  } catch (const Error& error) {  // of the settings: nothing was sent
    answer = {Outcome::Refused, error.what()};
  }
  host_->log(answer.outcome == Outcome::Done ? Level::Notice : Level::Warning,
             "power " + std::string(word(request.act)) + " of " + request.node + ", meant for boot " +
                 request.victim.boot + ": " + answer.note);
  return answer;
}

Answer Ipmi::send(const PowerRequest& request) const {
  if (request.victim.node != request.node)
    return {Outcome::Refused,
            "it names two nodes, " + request.node + " and " + request.victim.node + "; nothing was sent"};
  const Target target = this->target(request.node, request.system_uuid);
  const GuidReading identity = target.bmc.read_guid(std::min(deadline(), request.permit.not_after));
  if (identity.guid.empty())
    return {Outcome::Refused, "BMC of " + request.node + ": " + identity.note + "; nothing was sent"};
  if (!same_machine(identity.guid, target.expected_guid))
    return {Outcome::Refused, wrong_machine(request.node, identity.guid, target.expected_guid) + "; nothing was sent"};
  if (!host_->holds(request.permit))
    return {Outcome::Refused, "the right to act ended before the BMC had told whose it is; nothing was sent"};
  // The child that sends it dies with the right to act.
  return target.bmc.send(request.act, std::min(deadline(), request.permit.not_after));
}

}  // namespace pvcd::ipmi
