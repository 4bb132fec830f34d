#include "bmc.hpp"

#include <cstring>

#include "guid.hpp"
#include "power_text.hpp"
#include "secret.hpp"
#include "text.hpp"

namespace pvcd::ipmi {
namespace {

bool succeeded(const CommandResult& result) { return result.ending == Ending::Exited && result.exit_status == 0; }

std::string explain(const CommandResult& result) {
  std::string text = "ipmitool: ";
  if (!result.note.empty()) return text + result.note;
  const std::string said = one_line(result.errors.empty() ? result.output : result.errors);
  if (!said.empty()) return text + said;
  return text + "exit status " + std::to_string(result.exit_status) + " and no word why";
}

}  // namespace

std::string_view word(PowerAct act) {
  switch (act) {
    case PowerAct::Off:
      return "off";
    case PowerAct::On:
      return "on";
    case PowerAct::Reset:
      return "reset";
  }
  return {};
}

// -N 1 -R 1: retransmissions run a slow power switch again, even after ipmitool gave up.
CommandResult Bmc::call(const std::vector<std::string>& words, Instant deadline) const {
  const Secret password(access_.password_file);
  Command command;
  command.arguments = {"ipmitool",
                       "-I",
                       "lanplus",
                       "-C",
                       std::to_string(access_.cipher_suite),
                       "-N",
                       "1",
                       "-R",
                       "1",
                       "-H",
                       access_.address,
                       "-p",
                       std::to_string(access_.port),
                       "-U",
                       access_.username,
                       "-E"};
  command.arguments.insert(command.arguments.end(), words.begin(), words.end());
  command.environment = {{"IPMITOOL_PASSWORD", password.text()}};
  command.deadline = deadline;
  CommandResult result = run(command);
  explicit_bzero(command.environment.front().second.data(), command.environment.front().second.size());
  return result;
}

// "dump" prints the bytes as they came; every other form lets ipmitool guess their order.
GuidReading Bmc::read_guid(Instant deadline) const {
  const CommandResult result = call({"mc", "guid", "dump"}, deadline);
  if (!succeeded(result)) return {{}, "its GUID cannot be read: " + explain(result)};
  const auto guid = parse_guid(result.output);
  if (!guid) return {{}, "it gives no usable GUID: \"" + one_line(result.output) + "\""};
  return {*guid, {}};
}

PowerReading Bmc::read_power(Instant deadline) const {
  PowerReading reading;
  const CommandResult result = call({"chassis", "power", "status"}, deadline);
  if (!succeeded(result)) {
    reading.note = "its power state cannot be read: " + explain(result);
    return reading;
  }
  reading.state = parse_power(result.output);
  if (reading.state == PowerState::Unknown)
    reading.note = "its power state is not understood: \"" + one_line(result.output) + "\"";
  return reading;
}

// A call that failed may have been carried out: the answer can be what was lost.
Answer Bmc::send(PowerAct act, Instant deadline) const {
  const CommandResult result = call({"chassis", "power", std::string(word(act))}, deadline);
  if (!succeeded(result)) return {Outcome::Unknown, "power " + std::string(word(act)) + ": " + explain(result)};
  return {Outcome::Done, one_line(result.output)};
}

}  // namespace pvcd::ipmi
