// One BMC, spoken to with ipmitool: one call, one process, one session.
#pragma once

#include <string>
#include <vector>

#include "command.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::ipmi {

struct BmcAccess {
  std::string address;
  std::int64_t port = 623;
  std::string username;
  std::string password_file;
  std::int64_t cipher_suite = 17;
};

struct GuidReading {
  std::string guid;  // empty: not readable, or none was ever given
  std::string note;
};

class Bmc {
 public:
  explicit Bmc(BmcAccess access) : access_(std::move(access)) {}

  GuidReading read_guid(Instant deadline) const;
  PowerReading read_power(Instant deadline) const;
  Answer send(PowerAct, Instant deadline) const;  // Unknown unless the BMC confirmed that it took the command

 private:
  CommandResult call(const std::vector<std::string>& words, Instant deadline) const;

  BmcAccess access_;
};

std::string_view word(PowerAct);

}  // namespace pvcd::ipmi
