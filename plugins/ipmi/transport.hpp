// How ipmitool gets to a BMC: from everywhere over the LAN, from its own host also through the kernel (in-band).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pvcd::ipmi {

struct LanAccess {
  std::string address;
  std::int64_t port = 623;
  std::string username;
  std::string password_file;
  std::int64_t cipher_suite = 17;
};

struct Transport {
  std::vector<std::string> options;  // of ipmitool
  std::string password_file;         // empty: it needs no password
  int given_up = -1;                 // as of Command
};

Transport over_lan(const LanAccess&);
Transport in_band(int given_up);

}  // namespace pvcd::ipmi
