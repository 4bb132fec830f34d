// Turns the single-threaded ZooKeeper client by sd-event: its socket, its timer, and a turn when a request was queued.
#pragma once

#include <functional>
#include <string>

#include "sdk/types.hpp"

struct sd_event;
struct sd_event_source;
struct _zhandle;

namespace pvcd::store {

class ZookeeperLoop {
 public:
  // after_turn: called outside the library, after each time that it ran.
  ZookeeperLoop(sd_event* loop, std::function<void()> after_turn);
  ~ZookeeperLoop();
  ZookeeperLoop(const ZookeeperLoop&) = delete;
  ZookeeperLoop& operator=(const ZookeeperLoop&) = delete;

  void attach(_zhandle*);
  void detach();
  void wake();     // something was queued
  void hang_up();  // ends the connection; the library goes to the next server with the same session
  bool in_library() const { return in_library_; }
  // In the last turn: the server that ended the connection in place of giving it a session. Empty: none did.
  const std::string& turned_away_by() const { return turned_away_by_; }

 private:
  void process(int events);
  void turn(int events);
  void watch(int socket, int interest);
  void wait(Microseconds);
  Microseconds connect_time_left();  // hangs up when there is none

  sd_event* loop_;
  std::function<void()> after_turn_;
  _zhandle* handle_ = nullptr;
  sd_event_source* socket_source_ = nullptr;
  Instant socket_since_ = 0;
  sd_event_source* timer_ = nullptr;
  sd_event_source* wake_source_ = nullptr;
  bool in_library_ = false;
  bool reconnecting_ = false;
  bool hung_up_ = false;  // on the present connection
  std::string turned_away_by_;
};

}  // namespace pvcd::store
