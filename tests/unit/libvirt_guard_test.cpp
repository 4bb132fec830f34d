// What libvirt's hook lets pass: only pvcd starts a VM of the cluster, once for each time it asks libvirt.
#include <sys/stat.h>

#include <fstream>

#include "fake_host.hpp"
#include "plugins/libvirt/domain_xml.hpp"
#include "plugins/libvirt/start_guard.hpp"
#include "sdk/cluster_vms.hpp"

using namespace pvcd;
using namespace pvcd::libvirt;
using Catch::Contains;

namespace {

const VmUuid ours = "a1234567-89ab-cdef-a123-456789abcdef";
const VmUuid foreign = "b1234567-89ab-cdef-a123-456789abcdef";
constexpr Instant now = seconds(1000);
constexpr Generation generation = 7;

std::string plain_xml(const VmUuid& uuid) {
  return "<domain type='kvm' id='3'>\n  <name>web1</name>\n  <uuid>" + uuid + "</uuid>\n</domain>\n";
}
std::string ours_by_pvcd() { return start_xml(plain_xml(ours), ours, generation).xml; }

struct GuardedHost {
  GuardedHost() { write_list(encode_cluster_vms({ours})); }
  void write_list(const std::string& text) const { std::ofstream(guard.cluster_vms) << text; }
  std::string start(const std::string& xml, Instant at = now) const { return why_not_start(xml, guard, at); }

  test::Folder folder;
  StartGuard guard{folder.path / "cluster-vms", folder.path / "starts"};
};

}  // namespace

TEST_CASE("hook: a VM of the cluster does not start without a token, in a sentence that says what to do") {
  GuardedHost host;
  for (const std::string& xml : {plain_xml(ours), ours_by_pvcd(), plain_xml("A1234567-89AB-CDEF-A123-456789ABCDEF")})
    CHECK_THAT(host.start(xml), Contains("web1") && Contains(ours) && Contains("only pvcd starts it"));
}

TEST_CASE("hook: a domain that is not the cluster's is passed, whatever it is") {
  GuardedHost host;
  CHECK(host.start(plain_xml(foreign)).empty());
  host.write_list("");
  CHECK(host.start(plain_xml(ours)).empty());
  std::filesystem::remove(host.guard.cluster_vms);
  CHECK(host.start(plain_xml(ours)).empty());
  CHECK(host.start("nonsense").empty());
}

TEST_CASE("hook: what cannot be told apart from a VM of the cluster does not start") {
  GuardedHost host;
  SECTION("the domain has no UUID that can be read") {
    for (const std::string& xml : {std::string(), std::string("<domain"), plain_xml("nonsense")})
      CHECK_THAT(host.start(xml), Contains("cannot be read"));
  }
  SECTION("the list cannot be read") {
    std::filesystem::remove(host.guard.cluster_vms);
    std::filesystem::create_directory(host.guard.cluster_vms);
    CHECK_THAT(host.start(plain_xml(foreign)), Contains("cannot be read"));
  }
}

TEST_CASE("hook: a token is good for one start of one VM at one generation, until its time is over") {
  GuardedHost host;
  const StartToken token(host.guard.tokens, ours);
  REQUIRE(token.leave(generation, now + 1).empty());
  SECTION("once") {
    CHECK(host.start(ours_by_pvcd()).empty());
    CHECK_FALSE(host.start(ours_by_pvcd()).empty());
    CHECK_FALSE(token.take_back());  // used: libvirt has begun
  }
  SECTION("not when libvirt comes to it late: the release may be written by then (rule 7)") {
    CHECK_FALSE(host.start(ours_by_pvcd(), now + 1).empty());
    CHECK(token.take_back());
  }
  SECTION("not after it was taken back: who gave up a create knows that it does not happen any more") {
    CHECK(token.take_back());
    CHECK_FALSE(host.start(ours_by_pvcd()).empty());
  }
  SECTION("not for a start by hand in the same moment, which then takes nothing from pvcd's") {
    CHECK_FALSE(host.start(plain_xml(ours)).empty());
    CHECK(host.start(ours_by_pvcd()).empty());
  }
  SECTION("not for another VM of the cluster") {
    host.write_list(encode_cluster_vms({ours, foreign}));
    CHECK_FALSE(host.start(start_xml(plain_xml(foreign), foreign, generation).xml).empty());
  }
  SECTION("not when the plugin that left it was killed and has started again") {
    forget_start_tokens(host.guard.tokens);
    CHECK_FALSE(host.start(ours_by_pvcd()).empty());
  }
}

TEST_CASE("hook: a token that is damaged is none") {
  GuardedHost host;
  std::filesystem::create_directory(host.guard.tokens);
  std::ofstream(host.guard.tokens + "/" + ours) << GENERATE("", "x 7", "2000000000");
  CHECK_FALSE(host.start(ours_by_pvcd()).empty());
}

TEST_CASE("hook: the plugin leaves nothing behind, and says when it cannot leave a token") {
  GuardedHost host;
  {
    const StartToken token(host.guard.tokens, ours);
    REQUIRE(token.leave(generation, now + 1).empty());
  }
  CHECK(std::filesystem::is_empty(host.guard.tokens));
  const StartToken nowhere((host.folder.path / "missing" / "starts").string(), ours);
  CHECK_THAT(nowhere.leave(generation, now + 1), Contains("No such file"));
}
