// One BMC, spoken to with ipmitool: one call, one process, one session.
#pragma once

#include <string>
#include <vector>

#include "command.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"
#include "transport.hpp"

namespace pvcd::ipmi {

// What a BMC shows of whose it is: its GUID, or the mark.
struct Shown {
  std::string uuid;       // canonical; empty: not readable, or none was ever given
  std::string note;       // why it is empty
  bool answered = false;  // by the BMC: there is none
};

class Bmc {
 public:
  explicit Bmc(Transport transport) : transport_(std::move(transport)) {}

  Shown read_guid(Instant deadline) const;
  Shown read_mark(Instant deadline) const;
  std::string write_mark(const BootId&, Instant deadline) const;  // why not; empty: the BMC accepted it
  PowerReading read_power(Instant deadline) const;
  Answer send(PowerAct, Instant deadline) const;  // Unknown unless the BMC confirmed that it took the command

 private:
  CommandResult call(const std::vector<std::string>& words, Instant deadline) const;

  Transport transport_;
};

std::string_view word(PowerAct);

}  // namespace pvcd::ipmi
