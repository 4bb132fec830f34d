#include "bmc.hpp"

#include <cstring>

#include "guid.hpp"
#include "mark.hpp"
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

CommandResult Bmc::call(const std::vector<std::string>& words, Instant deadline) const {
  Command command;
  command.arguments = {"ipmitool"};
  command.arguments.insert(command.arguments.end(), transport_.options.begin(), transport_.options.end());
  command.arguments.insert(command.arguments.end(), words.begin(), words.end());
  command.deadline = deadline;
  command.given_up = transport_.given_up;
  if (transport_.password_file.empty()) return run(command);
  const Secret password(transport_.password_file);
  command.environment = {{"IPMITOOL_PASSWORD", password.text()}};
  CommandResult result = run(command);
  explicit_bzero(command.environment.front().second.data(), command.environment.front().second.size());
  return result;
}

// "dump" prints the bytes as they came; every other form lets ipmitool guess their order.
Shown Bmc::read_guid(Instant deadline) const {
  const CommandResult result = call({"mc", "guid", "dump"}, deadline);
  if (!succeeded(result)) return {{}, "its GUID cannot be read: " + explain(result)};
  const auto guid = parse_guid(result.output);
  if (!guid) return {{}, "it gives no usable GUID: \"" + one_line(result.output) + "\"", true};
  return {*guid, {}, true};
}

Shown Bmc::read_mark(Instant deadline) const {
  const CommandResult result = call(command_that_reads_mark(), deadline);
  if (!succeeded(result)) return {{}, "its mark cannot be read: " + explain(result)};
  const auto mark = parse_mark(result.output);
  if (!mark) return {{}, "it carries no mark: \"" + one_line(result.output) + "\"", true};
  return {*mark, {}, true};
}

std::string Bmc::write_mark(const BootId& boot, Instant deadline) const {
  const CommandResult result = call(command_that_writes_mark(boot), deadline);
  return succeeded(result) ? std::string() : explain(result);
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
