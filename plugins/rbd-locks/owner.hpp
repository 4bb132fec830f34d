// Who a client instance is, and whether it is proven dead. Pure: the only place where that question is answered.
#pragma once

#include <string>

#include "address.hpp"
#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

enum class Standing {
  Foreign,  // of another host, and nothing proves it dead
  Own,      // of this host, not recorded: dead once its watch had time to expire and did
  Dead,     // proven dead
};

struct Owner {
  Standing standing = Standing::Foreign;
  NodeName node;        // empty: no node that we know has this address
  bool living = false;  // `node` is another node, and alive
  std::string why;      // a phrase for people: the proof, or whose address it is
};

Owner owner_of(const Address&, const VmStart&);

}  // namespace pvcd::rbd_locks
