// What the core keeps in files of its own for others and for its next run.
#include <fstream>

#include "core/cluster_vms.hpp"
#include "core/first_sights.hpp"
#include "core/small_file.hpp"
#include "fake_host.hpp"
#include "world.hpp"

using namespace pvcd;
using namespace pvcd::core;
using pvcd::logic::test::mail;
using pvcd::logic::test::web;
using pvcd::logic::test::World;

namespace {

constexpr Instant now = seconds(1000);

VmSights sights() { return {{web, {{"rbd-locks", {{"vms/disk1 10.0.0.2:0/3", now - seconds(20)}}}}}}; }

struct SightsCase {
  test::Folder folder;
  std::string path = folder.path / "first-seen.json";
  VmSights read(const BootId& boot = "boot-1", Instant at = now) const { return FirstSightsFile(path, boot).read(at); }
};

struct ListCase {
  test::Folder folder;
  std::string path = folder.path / "cluster-vms";
  World world;
  ListCase() { world.view.cluster = {{"id", "lab", false}, 1}; }
  std::string list() const { return read_small_file(path).value_or("none"); }
};

}  // namespace

TEST_CASE("first sights survive a restart of the core (rule 6)") {
  SightsCase it;
  CHECK(it.read().empty());
  CHECK(FirstSightsFile(it.path, "boot-1").keep(sights()).empty());
  CHECK(it.read() == sights());
  SECTION("but not the boot: the clock begins anew") { CHECK(it.read("boot-2").empty()); }
  SECTION("nor a clock that says they lie ahead") { CHECK(it.read("boot-1", seconds(1)).empty()); }
  SECTION("and are forgotten with the last of them") {
    FirstSightsFile file(it.path, "boot-1");
    file.read(now);
    CHECK(file.keep({}).empty());
    CHECK(it.read().empty());
  }
}

TEST_CASE("first sights that are not understood count as none") {
  SightsCase it;
  std::ofstream(it.path) << GENERATE("", "{", "[]", "{\"boot\": \"boot-1\"}", "{\"boot\": 1, \"seen\": {}}",
                                     "{\"boot\": \"boot-1\", \"seen\": {\"x\": 1}}");
  CHECK(it.read().empty());
}

TEST_CASE("first sights that cannot be kept are told, and tried again") {
  SightsCase it;
  FirstSightsFile file(it.folder.path / "missing" / "first-seen.json", "boot-1");
  CHECK_FALSE(file.keep(sights()).empty());
  CHECK_FALSE(file.keep(sights()).empty());
}

TEST_CASE("only what a hook waits for is kept of the agent's memory") {
  logic::AgentMemory memory;
  memory.vms[web].first_seen = {{"rbd-locks", {{"vms/disk1 10.0.0.2:0/3", now - seconds(20)}}}, {"other", {}}};
  memory.vms[mail].failures = 3;
  CHECK(sights_of(memory) == sights());
}

TEST_CASE("the list of the cluster's VMs follows the store, and outlives a core that does not know it") {
  ListCase it;
  ClusterVms vms(it.path);
  it.world.vm(web);
  it.world.view.broken["/vms/" + mail] = "no JSON";
  it.world.view.broken["/owners/x"] = "no JSON";
  CHECK(vms.keep(it.world.view).empty());
  CHECK(it.list() == web + "\n" + mail + "\n");
  SECTION("half a view changes nothing") {
    it.world.view.vms.clear();
    it.world.view.complete = false;
    vms.keep(it.world.view);
    CHECK(it.list() == web + "\n" + mail + "\n");
  }
  SECTION("nor does an empty store") {
    it.world.view.vms.clear();
    it.world.view.cluster.reset();
    vms.keep(it.world.view);
    CHECK(it.list() == web + "\n" + mail + "\n");
  }
  SECTION("a VM that was undefined is the cluster's no more") {
    it.world.view.vms.clear();
    vms.keep(it.world.view);
    CHECK(it.list() == mail + "\n");
  }
  SECTION("also while the core was away") {
    it.world.view.vms.clear();
    it.world.view.broken.clear();
    ClusterVms(it.path).keep(it.world.view);
    CHECK(it.list().empty());
  }
}

TEST_CASE("a list that cannot be kept is told") {
  ListCase it;
  it.world.vm(web);
  CHECK_FALSE(ClusterVms(it.folder.path / "missing" / "cluster-vms").keep(it.world.view).empty());
}
