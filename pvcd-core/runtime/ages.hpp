// Tells the keepalive of this node, by datagram, that this process turns and what state it is in.
#pragma once

#include <string>

#include "runtime/loop.hpp"
#include "sdk/proof.hpp"

namespace pvcd::runtime {

// Sends once a second from the loop, so that a stuck loop grows old, and at once on each change. Never blocks; a
// missing keepalive is no error: it asks for nothing and the next second tells it again.
class AgeSender {
 public:
  AgeSender(Loop&, std::string unit);
  ~AgeSender();
  AgeSender(const AgeSender&) = delete;
  AgeSender& operator=(const AgeSender&) = delete;

  void set(std::string state, std::string note = {});

 private:
  void send();

  AgeReport report_;
  int socket_ = -1;
  Timer timer_;
};

}  // namespace pvcd::runtime
