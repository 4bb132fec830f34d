// What the monitors say of the cluster, right and wrong.
#include <catch2/catch.hpp>
#include <random>

#include "../../plugins/rbd-locks/osd_map.hpp"
#include "sdk/plugin.hpp"

using namespace pvcd;
using namespace pvcd::rbd_locks;
using Catch::Contains;

namespace {

// As Ceph 16 writes it, shortened.
const std::string dump = R"({"epoch": 42, "fsid": "c1", "pools": [
  {"pool": 1, "pool_name": "vms", "pg_num": 32, "pg_placement_num": 32, "options": {}},
  {"pool": 7, "pool_name": "vms data", "pg_num": 128}],
  "osds": [{"osd": 0, "up": 1}],
  "blocklist": {"10.0.0.2:0/0": "2036-11-19T20:00:00.000000+0000", "[fd00::2]:0/0": "2036-11-19T20:00:00.000000+0000",
                "10.0.0.3:0/1234": "2036-11-19T20:00:00.000000+0000", "10.0.0.0:0/24": "x", "nonsense": "x"}})";

std::string refusal(const std::string& text) try {
  parse_osd_map(text);
  return "it was taken";
} catch (const Error& error) {
  return error.what();
}

std::string with(const std::string& from, const std::string& to) {
  std::string changed = dump;
  changed.replace(changed.find(from), from.size(), to);
  return changed;
}

}  // namespace

TEST_CASE("rbd-locks: pools and blocklist of an OSD map") {
  const OsdMap map = parse_osd_map(dump);
  CHECK(map.epoch == 42);
  REQUIRE(map.pools.size() == 2);
  CHECK(map.pools.at(1).name == "vms");
  CHECK(map.pools.at(7).placement_groups == 128);
  CHECK(is_shut_out(map, {"10.0.0.2", 0, 0}));
  CHECK(is_shut_out(map, {"fd00::2", 0, 0}));
  CHECK(is_shut_out(map, {"10.0.0.3", 0, 1234}));
  CHECK_FALSE(is_shut_out(map, {"10.0.0.3", 0, 0}));  // an instance is not its host
  CHECK_FALSE(is_shut_out(map, {"10.0.0.20", 0, 0}));
  CHECK(parse_osd_map(with("blocklist", "blacklist")).blocklist.size() == map.blocklist.size());  // until Ceph 15
}

TEST_CASE("rbd-locks: an OSD map that is not understood is refused, and the key is named") {
  CHECK_THAT(refusal(""), Contains("no JSON object"));
  CHECK_THAT(refusal("[]"), Contains("no JSON object"));
  CHECK_THAT(refusal(dump.substr(0, dump.size() / 2)), Contains("no JSON object"));
  CHECK_THAT(refusal(with("\"epoch\": 42", "\"age\": 42")), Contains("'epoch' is missing"));
  CHECK_THAT(refusal(with("\"epoch\": 42", "\"epoch\": -42")), Contains("'epoch' is no whole number"));
  CHECK_THAT(refusal(with("\"pools\": [", "\"pools\": 5, \"others\": [")), Contains("'pools' is no list"));
  CHECK_THAT(refusal(with("\"pool\": 1,", "")), Contains("'pool' is missing"));
  CHECK_THAT(refusal(with("\"pg_num\": 32", "\"pg_num\": 0")), Contains("'pg_num' of pool vms"));
  CHECK_THAT(refusal(with("\"pg_num\": 32", "\"pg_num\": 99999999")), Contains("'pg_num' of pool vms"));
  CHECK_THAT(refusal(with("\"vms\"", "5")), Contains("'pool_name' is no text"));
  CHECK_THAT(refusal(with("\"blocklist\"", "\"greylist\"")), Contains("'blacklist' is missing"));
}

TEST_CASE("rbd-locks: no text brings it down") {
  std::mt19937 dice(1);
  for (int i = 0; i < 5000; ++i) {
    std::string text = dump;
    for (unsigned changes = dice() % 4 + 1; changes > 0; --changes)
      text[dice() % text.size()] = "{}[]\":,0-9eE\0\xff"[dice() % 15];
    text.resize(text.size() - (dice() % 3 == 0 ? dice() % text.size() : 0));
    refusal(text);
  }
}
