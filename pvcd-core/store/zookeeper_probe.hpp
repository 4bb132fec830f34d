// Tells servers that went back from servers that are away. When their disks were restored from an older copy, or lost,
// they turn away for ever who has seen newer data; a client that has seen nothing gets in.
#pragma once

#include <string>

#include "store/zookeeper_loop.hpp"

namespace pvcd::store {

class ZookeeperProbe {
 public:
  explicit ZookeeperProbe(sd_event* loop);
  ~ZookeeperProbe();
  ZookeeperProbe(const ZookeeperProbe&) = delete;
  ZookeeperProbe& operator=(const ZookeeperProbe&) = delete;

  // To be asked after each turn of a client that is not connected and was; turned_away_by as in ZookeeperLoop.
  bool servers_went_back(const std::string& turned_away_by, const std::string& servers, Microseconds session_timeout);
  void end();  // it is connected, or needs no answer any more

 private:
  void begin(const std::string& servers, Microseconds session_timeout);
  void after_turn();
  bool is_on(const std::string& server) const;

  ZookeeperLoop library_loop_;
  _zhandle* handle_ = nullptr;
  Instant away_since_ = 0;         // 0: not asked yet
  Instant connected_since_ = 0;    // 0: not yet
  Instant turned_away_since_ = 0;  // 0: the client was not, while that counted
  bool lost_ = false;              // was connected, and is no more
};

}  // namespace pvcd::store
