#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

namespace pvcd::store {

struct Servers {
  std::string text;
  std::vector<std::string> warnings;
};

// The connect string for the library, all numeric, because it would resolve names again whenever it has lost its
// connection, and that blocks. Names that do not resolve are left out; throws Error when nothing is left.
//
// A server of this host comes first, the others in any order: a session on another host's server hangs for a third of
// its timeout when that host dies, which is when it is needed.
Servers numeric_servers(const std::vector<std::string>& servers);

std::string numeric_address(const sockaddr*, socklen_t size);  // empty: it has none

}  // namespace pvcd::store
