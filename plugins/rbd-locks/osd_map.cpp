#include "osd_map.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sdk/plugin.hpp"

namespace pvcd::rbd_locks {
namespace {

using nlohmann::json;

// More than any pool of Ceph may have.
constexpr std::uint32_t placement_groups_max = 1U << 20;

[[noreturn]] void refuse(const std::string& what) {
  throw Error("the answer to 'osd dump' is not understood: " + what);
}

const json& member(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) refuse("'" + std::string(key) + "' is missing");
  return *found;
}

std::uint64_t number(const json& object, const char* key) {
  const json& value = member(object, key);
  if (!value.is_number_unsigned()) refuse("'" + std::string(key) + "' is no whole number");
  return value.get<std::uint64_t>();
}

Pool pool_of(const json& object) {
  const json& name = member(object, "pool_name");
  if (!name.is_string()) refuse("'pool_name' is no text");
  const std::uint64_t groups = number(object, "pg_num");
  if (groups == 0 || groups > placement_groups_max)
    refuse("'pg_num' of pool " + name.get<std::string>() + " is out of range");
  const json tier = object.value("read_tier", json(-1));
  return {name.get<std::string>(), static_cast<std::uint32_t>(groups), tier != json(-1)};
}

}  // namespace

OsdMap parse_osd_map(const std::string& text) {
  const json dump = json::parse(text, nullptr, false);
  if (!dump.is_object()) refuse("it is no JSON object");
  OsdMap map;
  map.epoch = number(dump, "epoch");
  const json& pools = member(dump, "pools");
  if (!pools.is_array()) refuse("'pools' is no list");
  for (const json& pool : pools) {
    if (!pool.is_object()) refuse("a pool is no object");
    map.pools[static_cast<std::int64_t>(number(pool, "pool"))] = pool_of(pool);
  }
  const json& entries = member(dump, dump.contains("blocklist") ? "blocklist" : "blacklist");  // until Ceph 15
  if (!entries.is_object()) refuse("'blocklist' is no object");
  for (const auto& entry : entries.items())
    if (const auto address = parse_address(entry.key())) map.blocklist.push_back(*address);
  return map;
}

bool is_shut_out(const OsdMap& map, const Address& address) {
  return std::ranges::find(map.blocklist, address) != map.blocklist.end();
}

}  // namespace pvcd::rbd_locks
