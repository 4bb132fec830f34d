#include "sdk/store_access.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

TEST_CASE("a server is a host and a port") {
  const auto written = [](const char* text) {
    const auto parts = host_and_port(text);
    return parts ? parts->host + " " + parts->port : "nothing";
  };
  CHECK(written("n1:2181") == "n1 2181");
  CHECK(written("zoo_1.Example-2.org:65535") == "zoo_1.Example-2.org 65535");
  CHECK(written("192.0.2.11:1") == "192.0.2.11 1");
  CHECK(written("[2001:db8::11]:2181") == "2001:db8::11 2181");
  CHECK(written("[fe80::1%eth0]:2181") == "fe80::1%eth0 2181");
  for (const char* wrong :
       {"", "n1", "n1:", ":2181", "n1:0", "n1:65536", "n1:+1", "n1:client", "n1:2181 ", " n1:2181", "n1:2181/pvcd",
        "n1:2181,n2:2181", "n~1:2181", "2001:db8::11:2181", "[2001:db8::11]", "[]:2181", "[:2181", "[n1]:2181"}) {
    INFO(wrong);
    CHECK_FALSE(host_and_port(wrong));
  }
}

TEST_CASE("credentials are a user and a password") {
  CHECK(is_user_and_password("pvcd:se:cret"));
  CHECK_FALSE(is_user_and_password("secret"));
  CHECK_FALSE(is_user_and_password(""));
}
