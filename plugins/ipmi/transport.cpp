#include "transport.hpp"

namespace pvcd::ipmi {

// -N 1 -R 1: retransmissions run a slow power switch again, even after ipmitool gave up.
Transport over_lan(const LanAccess& access) {
  Transport lan;
  lan.options = {"-I", "lanplus",
                 "-C", std::to_string(access.cipher_suite),
                 "-N", "1",
                 "-R", "1",
                 "-H", access.address,
                 "-p", std::to_string(access.port),
                 "-U", access.username,
                 "-E"};
  lan.password_file = access.password_file;
  return lan;
}

Transport in_band(int given_up) { return {{"-I", "open"}, {}, given_up}; }

}  // namespace pvcd::ipmi
