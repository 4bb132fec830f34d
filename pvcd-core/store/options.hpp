// How a process of this node reaches its cluster's store, from pvcd.toml.
#pragma once

#include "sdk/plugin.hpp"
#include "store/store.hpp"

namespace pvcd::store {

// Without a session file. Throws Error when the credentials cannot be read.
ZookeeperOptions zookeeper_options(const Settings& shared, Warn);

}  // namespace pvcd::store
