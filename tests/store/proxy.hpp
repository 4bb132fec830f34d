// A TCP relay on the loop of the test, between one client and one server at a time, that can lose requests or answers.
#pragma once

#include <systemd/sd-event.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <string_view>
#include <vector>

namespace pvcd::store::test {

class Proxy {
 public:
  Proxy(sd_event* loop, std::vector<std::uint16_t> server_ports);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::uint16_t port() const { return port_; }
  bool lets_through() const { return mode_ == Mode::Through; }
  std::ptrdiff_t relayed() const;  // connections that are not stalled
  void refuse();                   // ends connections, and new ones at once
  void swallow();                  // what servers say on present connections is lost
  void stall();            // nothing comes through on present connections, which stay; new ones are to the next server
  void stall_returning();  // new connections that ask for a session they had: nothing comes through, and they stay
  void let_through();      // ends connections that were swallowed; new ones work

 private:
  struct Pair;
  enum class Mode { Through, Swallow, Refuse, StallReturning };

  void accept_client();
  bool returns(Pair&, std::string_view bytes);
  void pump(Pair&, int from);
  void end_all();

  sd_event* loop_;
  std::vector<std::uint16_t> server_ports_;  // the first is the one of new connections
  std::uint16_t port_ = 0;
  int listener_ = -1;
  sd_event_source* listener_source_ = nullptr;
  std::list<Pair> pairs_;
  Mode mode_ = Mode::Through;
};

}  // namespace pvcd::store::test
