// Reads what decide_join() wants to know.
#pragma once

#include <functional>
#include <string>

#include "sdk/join.hpp"
#include "store/store.hpp"

namespace pvcd::keepalive {

struct LookResult {
  ClusterLook look;
  std::string failure;  // not empty: the look is not complete, and why
};

// `done` comes once, from the store's loop; not at all when the store is destroyed first.
void look_at_cluster(store::Store&, const NodeName& self, const BootId& boot, std::function<void(LookResult)> done);

}  // namespace pvcd::keepalive
