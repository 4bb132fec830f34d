#pragma once

#include <sys/types.h>

#include <string_view>

#include "backend.hpp"
#include "proxy.hpp"

namespace pvcd::store::test {

struct Server {
  std::string address;  // host:port
  std::uint16_t port = 0;
  pid_t pid = 0;
};

// From the environment that tests/store/run_zookeeper makes; fails the test when there is none.
std::vector<Server> servers();
std::vector<std::string> server_command();  // how one more is started

std::string answer_of(std::uint16_t port, std::string_view question);  // a server's, to a four-letter word; empty: none

class ZookeeperBackend : public Backend {
 public:
  ZookeeperBackend();
  ~ZookeeperBackend() override;

  std::unique_ptr<Client> open() override;
  std::unique_ptr<Client> restart(std::unique_ptr<Client>) override;
  void cut(Client&, Cut) override;
  void heal(Client&) override;
  void expire(Client&) override;

  ZookeeperOptions options();                             // all servers, a fresh session file
  std::unique_ptr<Client> open_direct(ZookeeperOptions);  // without a proxy
  std::string new_session_file();
  const std::string& root() const { return root_; }

 private:
  struct ProxiedClient;

  std::string directory_;
  std::string root_;
  std::size_t files_ = 0;
};

}  // namespace pvcd::store::test
