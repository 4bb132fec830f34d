#pragma once

#include <sys/socket.h>

#include <future>
#include <string>
#include <vector>

namespace pvcd::store {

// What the library is given to connect to: all numeric, because it would resolve names again whenever it has lost its
// connection, and that blocks.
//
// A server of this host comes first, the others in any order: a session on another host's server hangs for a third of
// its timeout when that host dies, which is when it is needed.
struct Servers {
  std::string text;         // empty: none has an address
  std::size_t missing = 0;  // without an address now
  std::vector<std::string> warnings;
};
Servers numeric_servers(const std::vector<std::string>& servers);

// The same beside the caller's loop, however long it takes; nobody has to wait for it. Not valid: no thread is to be
// had now.
std::future<Servers> numeric_servers_later(std::vector<std::string> servers);

std::string numeric_address(const sockaddr*, socklen_t size);  // empty: it has none

}  // namespace pvcd::store
