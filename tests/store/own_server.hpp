// One ZooKeeper server that is a test's own: it can be stopped and started, and its disk be put back or lost.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace pvcd::store::test {

class OwnServer {
 public:
  OwnServer();  // started, with nothing on its disk
  ~OwnServer();
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void start();  // it serves a while later
  void stop();
  bool serves() const;
  // While it is stopped.
  void save_disk() const;
  void restore_disk() const;
  void lose_disk() const;

 private:
  std::string directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = 0;
};

}  // namespace pvcd::store::test
