#include "ipmi.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include "sdk/bmc_identity.hpp"
#include "sdk/permit.hpp"
#include "secret.hpp"

namespace pvcd::ipmi {
namespace {

// Only a node that has another one's BMC by mistake waits, and never so long that its request is taken for a stall.
constexpr Microseconds turn_limit = seconds(2);

std::string end_point(const Settings& bmc) {
  return bmc.text("address") + " port " + std::to_string(bmc.number("port"));
}

BootId own_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  BootId boot;
  if (!(file >> boot)) throw Error("/proc/sys/kernel/random/boot_id cannot be read: /proc must be mounted");
  return boot;
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
  const NodeName self = host.shared().text("node.name");
  if (is_configured(self) && host.settings().table("bmc", self).text("identity") == bmc_by_mark)
    marker_ = std::make_unique<Marker>(host, own_boot(), MarkerTimes{.call_limit = call_limit()});
}

void Ipmi::stop() noexcept { marker_.reset(); }

bool Ipmi::is_configured(const NodeName& node) const {
  const std::vector<std::string> known = host_->settings().tables("bmc");
  return std::find(known.begin(), known.end(), node) != known.end();
}

Microseconds Ipmi::call_limit() const {
  return milliseconds(static_cast<std::uint64_t>(host_->settings().number("timeout_ms")));
}

Instant Ipmi::deadline() const { return boottime_now() + call_limit(); }

Ipmi::Target Ipmi::target(const NodeName& node, const BootId& boot, const std::string& system_uuid) const {
  const Settings& settings = host_->settings();
  if (!is_configured(node))
    throw Error("no BMC is configured for " + node + ": add [bmc." + node + "] to plugins.d/ipmi.toml");
  const Settings& table = settings.table("bmc", node);
  Identity identity(settings, node, boot, system_uuid);
  auto alone = turns_.take(end_point(table), turn_limit);
  if (!alone)
    throw Error("the BMC at " + end_point(table) + " is being spoken to about another node: [bmc." + node +
                "] has the address of another table");
  return {Bmc(over_lan({table.text("address"), table.number("port"), table.text("username"),
                        table.text("password_file"), settings.number("cipher_suite")})),
          std::move(identity), std::move(alone)};
}

PowerReading Ipmi::read(const ReadRequest& request) {
  PowerReading reading;
  try {
    const Target target = this->target(request.node, request.boot, request.system_uuid);
    const Identity::Verdict verdict = target.identity.of(target.bmc, deadline());
    if (!verdict.note.empty()) {
      reading.note = verdict.note;
    } else {
      reading = target.bmc.read_power(deadline());
      if (!reading.note.empty()) reading.note = "BMC of " + request.node + ": " + reading.note;
    }
    reading.guid = verdict.guid;
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
  const Target target = this->target(request.node, request.victim.boot, request.system_uuid);
  const Identity::Verdict verdict = target.identity.of(target.bmc, std::min(deadline(), request.permit.not_after));
  if (!verdict.note.empty()) return {Outcome::Refused, verdict.note + "; nothing was sent"};
  if (!host_->holds(request.permit))
    return {Outcome::Refused, "the right to act ended before the BMC had told whose it is; nothing was sent"};
  // The child that sends it dies with the right to act.
  return target.bmc.send(request.act, std::min(deadline(), request.permit.not_after));
}

}  // namespace pvcd::ipmi
