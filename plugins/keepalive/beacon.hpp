// Tells the coordinators four times a second that this life goes on, beside the store: what is not told is noticed
// before the store would tell. Nobody waits for it and nothing depends on it (sdk/proof.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sdk/proof.hpp"
#include "timer.hpp"

namespace pvcd::keepalive {

class Beacon {
 public:
  Beacon(sd_event* loop, std::string cluster, std::uint16_t port);  // throws Error
  ~Beacon();
  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;

  void begin(const NodeName&, Incarnation);
  void end() { timer_.stop(); }
  void aim(std::vector<std::string> addresses) { addresses_ = std::move(addresses); }  // IPv4 or IPv6

 private:
  void on_time();
  void send_to(const std::string& address, const std::string& datagram) const;

  std::uint16_t port_;
  int ipv4_ = -1, ipv6_ = -1;
  Beat beat_;
  std::vector<std::string> addresses_;
  Timer timer_;
};

}  // namespace pvcd::keepalive
