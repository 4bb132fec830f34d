#include <catch2/catch.hpp>

#include "plugins/rbd-locks/address.hpp"

using namespace pvcd::rbd_locks;

TEST_CASE("every way in which Ceph writes an instance means the same one") {
  const auto [text, canonical] = GENERATE(table<std::string, std::string>({
      {"10.77.77.1:0/2871552297", "10.77.77.1:0/2871552297"},
      {"v1:10.77.77.1:0/7", "10.77.77.1:0/7"},
      {"v2:10.77.77.1:0/7", "10.77.77.1:0/7"},
      {"any:10.77.77.1:0/7", "10.77.77.1:0/7"},
      {"10.77.77.1:6800/7", "10.77.77.1:6800/7"},
      {"10.77.77.1:0/4294967295", "10.77.77.1:0/4294967295"},
      {"[v2:10.77.77.1:0/7,v1:10.77.77.1:0/7]", "10.77.77.1:0/7"},
      {"[v2:10.77.77.1:0/7]", "10.77.77.1:0/7"},
      {"[2001:db8::1]:0/3", "[2001:db8::1]:0/3"},
      {"v2:[2001:0DB8:0:0::1]:0/3", "[2001:db8::1]:0/3"},
      {"[v2:[2001:db8::1]:0/3,v1:[2001:db8:0::1]:0/3]", "[2001:db8::1]:0/3"},
  }));
  CAPTURE(text);
  const auto address = parse_address(text);
  REQUIRE(address);
  CHECK(to_string(*address) == canonical);
  CHECK(parse_address(canonical) == address);
}

TEST_CASE("what does not name exactly one instance is not understood") {
  const std::string text =
      GENERATE(as<std::string>(), "", "-", "v1:-", "10.77.77.1", "10.77.77.1:0", "10.77.77.1/7", "10.77.77.1:0/",
               "10.77.77.1:/7", "10.77.77.1:0/x", "10.77.77.1:0/7 ", " 10.77.77.1:0/7", "10.77.77.1:0/-7",
               "10.77.77.1:0/+7", "10.77.77.1:0/4294967296", "10.77.77.1:65536/7", "10.77.77:0/7", "10.77.77.01:0/7",
               "10.77.77.1.2:0/7", "host:0/7", ":/7", ":0/7", "2001:db8::1:0/3", "[2001:db8::1:0/3", "[10.77.77.1]:0/7",
               "v3:10.77.77.1:0/7", "v1:v2:10.77.77.1:0/7", "[v2:]", "[]", "[v2:10.77.77.1:0/7", "[v2:10.77.77.1:0/7,]",
               "[v2:10.77.77.1:0/7,v1:10.77.77.2:0/7]", "[v2:10.77.77.1:0/7,v1:10.77.77.1:0/8]");
  CAPTURE(text);
  CHECK_FALSE(parse_address(text));
}

TEST_CASE("one digit more is another instance") {
  CHECK(parse_address("10.77.77.1:0/12") != parse_address("10.77.77.1:0/1"));
  CHECK(parse_address("10.77.77.1:0/1") != parse_address("10.77.77.11:0/1"));
  CHECK(parse_address("10.77.77.1:0/1") != parse_address("10.77.77.1:1/1"));
}

TEST_CASE("hosts are compared in one form") {
  CHECK(parse_host("10.77.77.1") == "10.77.77.1");
  CHECK(parse_host("[FD00:0::1]") == "fd00::1");
  CHECK(parse_host("fd00::1") == "fd00::1");
  CHECK_FALSE(parse_host(""));
  CHECK_FALSE(parse_host("node1"));
  CHECK_FALSE(parse_host("10.77.77.1/24"));
  CHECK_FALSE(parse_host("[fd00::1"));
  CHECK_FALSE(parse_host("[10.77.77.1]"));
}
