// The view follows the store, entry by entry, whatever it has kept from before.
#include "store/codec.hpp"
#include "store_case.hpp"
#include "world.hpp"

using namespace pvcd;
namespace paths = store::paths;
using logic::test::mail;
using logic::test::web;

namespace {

struct ClusterViewCase : test::StoreCase {
  ClusterViewCase() {
    for (const VmUuid& uuid : {web, mail}) put(path(uuid), vm(uuid, 1));
    until([&] { return view().complete && view().vms.size() == 2; });
  }
  static std::string path(const VmUuid& uuid) { return paths::under(paths::vms, uuid); }
  static std::string vm(const VmUuid& uuid, std::uint64_t memory) {
    VmRecord record;
    record.uuid = uuid;
    record.name = "vm" + uuid.substr(35);
    record.xml = std::string(1000, 'x');
    record.memory = memory;
    return store::encode(record);
  }
  const logic::ClusterView& view() const { return cluster.view(); }
  void set(const std::string& path, const std::string& data) {
    opened->commit({store::Set{path, data}}, [](const store::CommitResult&) {});
  }
  void remove(const std::string& path) {
    opened->commit({store::Remove{path}}, [](const store::CommitResult&) {});
  }
};

}  // namespace

TEST_CASE("what changes in the store changes in the view, and nothing else") {
  ClusterViewCase it;
  const_cast<VmRecord&>(it.view().vms.at(mail).value).profile = "only in memory";
  it.set(it.path(web), it.vm(web, 7));
  it.until([&] { return it.view().vms.at(web).value.memory == 7; });
  CHECK(it.view().vms.at(web).version == 1);
  CHECK(it.view().vms.at(mail).value.memory == 1);
  CHECK(it.view().vms.at(mail).value.profile == "only in memory");  // not decoded again
}

TEST_CASE("an entry that is written again with the same content has a new version") {
  ClusterViewCase it;
  it.set(it.path(web), it.vm(web, 1));
  it.until([&] { return it.view().vms.at(web).version == 1; });
}

TEST_CASE("an entry that becomes unreadable leaves the view, and comes back when it is mended") {
  ClusterViewCase it;
  it.set(it.path(web), "{");
  it.until([&] { return !it.view().vms.contains(web); });
  CHECK(it.view().broken.contains(it.path(web)));
  it.put(it.path(web) + "9", "more");
  it.until([&] { return it.view().broken.contains(it.path(web) + "9"); });
  CHECK(it.view().broken.contains(it.path(web)));  // still, although it has not changed
  it.set(it.path(web), it.vm(web, 1));
  it.until([&] { return it.view().vms.contains(web); });
  CHECK_FALSE(it.view().broken.contains(it.path(web)));
}

TEST_CASE("an entry that is removed, and made anew with the same content, goes and comes") {
  ClusterViewCase it;
  it.remove(it.path(web));
  it.until([&] { return !it.view().vms.contains(web); });
  it.put(it.path(web), it.vm(web, 1));
  it.until([&] { return it.view().vms.contains(web); });
  CHECK(it.view().vms.at(web).value.memory == 1);
}
