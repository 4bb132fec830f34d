// Tells the keepalive of this node, by datagram, that this process turns and what state it is in.
#pragma once

#include <functional>
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

  // For a process whose loop may turn without doing its work: while this says no, it is left to grow old.
  void only_while(std::function<bool()> working) { working_ = std::move(working); }

 private:
  void send();

  AgeReport report_;
  std::function<bool()> working_ = [] { return true; };
  int socket_ = -1;
  Timer timer_;
};

}  // namespace pvcd::runtime
