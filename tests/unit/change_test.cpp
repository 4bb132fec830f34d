#include "sdk/change.hpp"

#include <catch2/catch.hpp>

using namespace pvcd;

TEST_CASE("names of what is numbered are in the order of their numbers, and give the number back") {
  CHECK(job_key(12).name == "j0000000012");
  CHECK(decision_key(4294967296).name == "d4294967296");
  CHECK(decision_key(12345678901).name == "d12345678901");
  CHECK(link_key("vm", 0).name == "vm/l0000000000");
  CHECK(live_key("n1.b", 3) == Key{Kind::Live, "n1.b.3"});
  CHECK(session_key("n1.b", 3) == Key{Kind::Session, "n1.b.3"});
  for (const std::uint64_t number : {0ULL, 7ULL, 4294967296ULL}) CHECK(number_of(job_key(number).name) == number);
  CHECK(number_of("17") == 17);
  CHECK_FALSE(number_of(""));
  CHECK_FALSE(number_of("j"));
  CHECK_FALSE(number_of("j12x"));
  CHECK_FALSE(number_of("j99999999999999999999"));
}

TEST_CASE("an image that several hosts can reach has an entry, whatever its name consists of") {
  const auto name = [](DiskKind kind, const std::string& source) {
    VmRecord vm;
    vm.disks.resize(1);
    vm.disks[0].kind = kind;
    vm.disks[0].source = source;
    const auto keys = image_keys(vm);
    REQUIRE(keys.size() < 2);
    return keys.empty() ? "none" : keys[0].name;
  };
  CHECK(name(DiskKind::Rbd, "vms/web1") == "rbd:vms%2Fweb1");
  CHECK(name(DiskKind::Shared, "/srv/a.B_c-09") == "shared:%2Fsrv%2Fa.B_c-09");
  CHECK(name(DiskKind::Local, "/var/lib/web1.img") == "none");
  CHECK(name(DiskKind::Rbd, ",/:;@[`{\x7f\xff%\n") == "rbd:%2C%2F%3A%3B%40%5B%60%7B%7F%FF%25%0A");
}
