#include "store/zookeeper_probe.hpp"

#include <zookeeper/zookeeper.h>

#include <utility>

#include "store/request.hpp"

namespace pvcd::store {
namespace {

// How much of a session's timeout a client gets to come back before it is probed why it does not; again before an
// answer counts, as a server may be quicker with one than with the other; and again before it is believed, as a server
// that stops drops one after the other.
constexpr Microseconds patience_of(Microseconds session_timeout) { return session_timeout / 3; }

}  // namespace

ZookeeperProbe::ZookeeperProbe(sd_event* loop) : library_loop_(loop, [this] { after_turn(); }) {}

ZookeeperProbe::~ZookeeperProbe() { end(); }

// The server that the probe is on has the probe's session, which is newer than all that anybody has seen, unless the
// servers went back: as long as it serves it has no other reason to turn the client away again and again. One that
// merely hangs, or does not serve yet, is not proof, however long it takes.
bool ZookeeperProbe::servers_went_back(const std::string& turned_away_by, const std::string& servers,
                                       Microseconds session_timeout) {
  const Instant now = boottime_now();
  if (lost_) end();  // what it has seen may be too new by now, too
  if (away_since_ == 0) away_since_ = now;
  if (!handle_ && now - away_since_ >= patience_of(session_timeout)) begin(servers, session_timeout);
  const bool patient = connected_since_ != 0 && now - connected_since_ >= patience_of(session_timeout);
  if (!patient || turned_away_by.empty() || !is_on(turned_away_by)) return false;
  if (turned_away_since_ == 0) turned_away_since_ = now;
  return now - turned_away_since_ >= patience_of(session_timeout);
}

// In the moment in which it waits for its session, it cannot say goodbye: that session ends with its timeout.
void ZookeeperProbe::end() {
  library_loop_.detach();
  if (handle_) zookeeper_close(std::exchange(handle_, nullptr));
  away_since_ = 0;
  connected_since_ = 0;
  turned_away_since_ = 0;
  lost_ = false;
}

// Without a handle, the next turn tries again.
void ZookeeperProbe::begin(const std::string& servers, Microseconds session_timeout) {
  const auto timeout_ms = static_cast<int>(session_timeout / 1000);
  handle_ = zookeeper_init(servers.c_str(), nullptr, timeout_ms, nullptr, nullptr, 0);
  if (handle_) library_loop_.attach(handle_);
}

void ZookeeperProbe::after_turn() {
  const bool connected = zoo_state(handle_) == ZOO_CONNECTED_STATE;
  if (connected && connected_since_ == 0) connected_since_ = boottime_now();
  if (connected || connected_since_ == 0) return;
  lost_ = true;
  library_loop_.detach();
}

bool ZookeeperProbe::is_on(const std::string& server) const {
  return handle_ && zoo_state(handle_) == ZOO_CONNECTED_STATE && zoo_get_current_server(handle_) == server;
}

}  // namespace pvcd::store
