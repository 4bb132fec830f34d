// What the monitors say of the whole cluster (`osd dump` as JSON), as far as it matters to this plugin.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "address.hpp"

namespace pvcd::rbd_locks {

struct Pool {
  std::string name;
  std::uint32_t placement_groups = 0;
  bool has_cache = false;  // what is asked of it is answered by another pool
};

struct OsdMap {
  std::uint64_t epoch = 0;
  std::map<std::int64_t, Pool> pools;  // by id
  std::vector<Address> blocklist;      // port and nonce 0: the whole host
};

// Throws pvcd::Error that names the key. What is new in it, and entries of kinds that are not known, are passed over.
OsdMap parse_osd_map(const std::string& json);

bool is_shut_out(const OsdMap&, const Address&);

}  // namespace pvcd::rbd_locks
