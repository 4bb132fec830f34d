// What a node does about a disk that somebody plugs into a VM that runs here (safety rule 17).

#include "logic/units.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

const ClientInstance plugged{"vms/extra", "10.0.0.2:0/88"};
const PluggedImage root{"vms/disk1", 0};

PluggedImage extra(std::uint64_t number) { return {"vms/extra", number}; }

struct Plugging : RunningVm {
  Plugging& sees(std::vector<PluggedImage> open) {
    images[web] = std::move(open);
    round();
    return *this;
  }
  std::vector<std::string> asked() const {
    std::vector<std::string> names;
    if (const auto* ask = plans<IdentifyInstances>())
      for (const Disk& disk : ask->request.disks) names.push_back(disk.source);
    return names;
  }
  Plugging& found(std::vector<ClientInstance> instances) {
    REQUIRE(plans<IdentifyInstances>());
    answer(Identified{Outcome::Done, std::move(instances), ""});
    return *this;
  }
  Plugging& not_found() {
    REQUIRE(plans<IdentifyInstances>());
    answer(Identified{Outcome::Unknown, {}, "vms/extra has no new watcher yet"});
    return *this;
  }
  const std::vector<ClientInstance>& recorded() const { return world.view.runs.at(web).value.instances; }
};

using Images = std::vector<std::string>;
using Instances = std::vector<ClientInstance>;

}  // namespace

TEST_CASE("what is plugged into a running VM is identified among what is not on record, and recorded") {
  Plugging it;
  it.sees({root, extra(1)});
  CHECK(it.asked() == Images{"vms/extra"});
  CHECK(it.plans<IdentifyInstances>()->hook == "rbd-locks");
  CHECK_FALSE(it.plans<IdentifyInstances>()->request.just_created);
  CHECK(it.plans<IdentifyInstances>()->request.own_addresses == Images{"10.0.0.2"});
  it.found({plugged});
  REQUIRE(it.plans<WriteRun>());
  CHECK(it.plans<WriteRun>()->record.state == VmState::Running);
  CHECK(it.plans<WriteRun>()->record.process == qemu);
  CHECK(it.plans<WriteRun>()->record.instances == Instances{instance, plugged});
  CHECK_FALSE(it.plans<WriteRun>()->link);
  CHECK_FALSE(it.plans<WriteRun>()->owner);
  it.written();
  CHECK(it.idle());
  CHECK(it.step() == Step::Running);
  CHECK(it.wait(seconds(600)).idle());
}

TEST_CASE("every hook that knows clients of Ceph is asked about what was plugged in, and none about files") {
  Plugging it;
  it.settings.hooks = {"rbd-locks", shared_files_hook, "other-locks"};
  it.sees({root, extra(1)});
  CHECK(it.plans<IdentifyInstances>()->hook == "rbd-locks");
  it.found({plugged});
  CHECK(it.plans<IdentifyInstances>()->hook == "other-locks");
  it.found({{"vms/extra", "10.0.0.2:0/99"}});
  CHECK(it.plans<WriteRun>()->record.instances == Instances{instance, plugged, {"vms/extra", "10.0.0.2:0/99"}});
}

TEST_CASE("what libvirt lists and the record has is not asked about") {
  Plugging it;
  SECTION("after a start") { CHECK(it.sees({root}).idle()); }
  SECTION("after a restart of pvcd, whatever was plugged in before") {
    it.world.view.runs.at(web).value.instances = {instance, plugged};
    it.memory = {};
    it.images[web] = {root, extra(0)};
    it.round().answer(DomainProbe{DomainState::Running, qemu, ""});
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
    SECTION("and plugged in once more it is another client") {
      CHECK(it.sees({root, extra(1)}).asked() == Images{"vms/extra"});
    }
  }
  SECTION("when the hypervisor's plugin counts from the beginning") {
    it.sees({root, extra(3)}).found({plugged}).written();
    CHECK(it.sees({root, extra(0)}).idle());
  }
  SECTION("after a restart of pvcd, what was plugged in meanwhile is") {
    it.memory = {};
    it.images[web] = {root, extra(0)};
    it.round().answer(DomainProbe{DomainState::Running, qemu, ""});
    CHECK(it.asked() == Images{"vms/extra"});
  }
}

TEST_CASE("what may have been plugged in again before this process began is asked about, and recorded if it is new") {
  Plugging it;
  it.world.view.runs.at(web).value.instances = {instance, plugged};
  it.memory = {};
  it.images[web] = {root, extra(3)};
  it.round().answer(DomainProbe{DomainState::Running, qemu, ""});
  CHECK(it.asked() == Images{"vms/extra"});
  SECTION("it is the client on record") {
    it.found({plugged});
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
  }
  SECTION("it is another one") {
    const ClientInstance again{"vms/extra", "10.0.0.2:0/99"};
    it.found({again}).written();
    CHECK(it.recorded() == Instances{instance, plugged, again});
  }
  CHECK(it.wait(seconds(60)).idle());
}

TEST_CASE("a disk that is listed before it is told that it was plugged in is asked about twice, and recorded once") {
  Plugging it;
  it.sees({root, extra(0)}).found({plugged}).written();
  CHECK(it.sees({root, extra(1)}).asked() == Images{"vms/extra"});
  CHECK(it.found({plugged}).idle());
  CHECK(it.recorded() == Instances{instance, plugged});
}

TEST_CASE("an image that is unplugged and plugged in again is another client: its first one stays on record") {
  Plugging it;
  it.sees({root, extra(1)}).found({plugged}).written();
  CHECK(it.wait(seconds(60)).idle());
  it.sees({{"vms/disk1", 2}, extra(1)});
  CHECK(it.asked() == Images{"vms/disk1"});
  const ClientInstance again{"vms/disk1", "10.0.0.2:0/99"};
  it.found({again}).written();
  CHECK(it.recorded() == Instances{instance, plugged, again});
  CHECK(it.wait(seconds(60)).idle());
}

TEST_CASE(
    "a disk that the VM was started with is plugged in again before libvirt has listed anything: another client") {
  Plugging it;
  CHECK(it.sees({{"vms/disk1", 1}}).asked() == Images{"vms/disk1"});
}

TEST_CASE("a client that cannot be told is asked about again, less and less often") {
  Plugging it;
  it.sees({root, extra(1)});
  for (const std::uint64_t pause : {1U, 2U, 4U, 8U, 16U, 32U, 60U, 60U}) {
    it.not_found();
    CHECK(it.idle());
    CHECK(it.step() == Step::Running);
    CHECK(it.wait(seconds(pause) - 1).idle());
    it.wait(1);
  }
  CHECK(it.asked() == Images{"vms/extra"});
  SECTION("until it is unplugged") {
    it.not_found();
    CHECK(it.sees({root}).idle());
    CHECK(it.wait(seconds(60)).idle());
  }
}

TEST_CASE("what is plugged in while another one cannot be told is asked about at once, both together") {
  Plugging it;
  it.sees({root, extra(1)}).not_found();
  CHECK(it.sees({root, extra(1), {"vms/more", 2}}).asked() == Images{"vms/extra", "vms/more"});
}

TEST_CASE("a VM whose plugged disk cannot be told yet is stopped, and started again, without delay") {
  Plugging it;
  it.sees({root, extra(1)}).not_found();
  SECTION("it crashes: its end is looked for at once") {
    it.crash();
    CHECK(it.plans<RunHook>());
  }
  SECTION("it is not wanted any more") {
    it.world.vm(web).wanted = WantedState::Stopped;
    CHECK(it.round().plans<Probe>());
  }
}

TEST_CASE("what is plugged in while its guest shuts down is recorded too: a release leaves nothing behind (rule 7)") {
  Plugging it;
  it.world.vm(web).wanted = WantedState::Stopped;
  it.round().answer(DomainProbe{DomainState::Running, qemu, ""});
  REQUIRE(it.plans<ShutdownDomain>());
  it.act_done();
  REQUIRE(it.step() == Step::AwaitShutdown);
  it.sees({root, extra(1)});
  SECTION("its client can be told") {
    it.found({plugged}).written();
    CHECK(it.recorded() == Instances{instance, plugged});
  }
  SECTION("its client cannot be told yet") { it.not_found(); }
  CHECK(it.idle());
  CHECK(it.step() == Step::AwaitShutdown);
  CHECK(it.wait(seconds(181)).plans<DestroyDomain>());
}

TEST_CASE("what was identified and could not be recorded is this node's when its QEMU ends") {
  Plugging it;
  it.sees({root, extra(1)}).found({plugged}).refused_by_store();
  it.wait(seconds(1)).looks().gone();
  CHECK(it.plans<RunHook>()->request.own_dead == Instances{plugged, instance});
}

TEST_CASE("a record that cannot be read any more when its disk is identified does not grow, and is looked at anew") {
  Plugging it;
  it.sees({root, extra(1)});
  const auto record = it.world.view.runs.at(web);
  it.world.view.runs.erase(web);
  it.world.view.broken["/runs/" + web] = "it is not JSON";
  CHECK(it.found({plugged}).idle());
  it.world.view.runs[web] = record;
  it.world.view.broken.clear();
  it.round().looks().answer(DomainProbe{DomainState::Running, qemu, ""});
  CHECK(it.asked() == Images{"vms/extra"});
}

TEST_CASE("a record that is gone, or is another's, before what was identified is written") {
  Plugging it;
  it.settings.hooks = {"rbd-locks", "other-locks"};
  it.sees({root, extra(1)});
  it.may_act = false;
  SECTION("while another hook is to be asked") { it.found({plugged}); }
  SECTION("when all have been asked") {
    it.settings.hooks.pop_back();
    it.found({plugged});
  }
  it.may_act = true;
  it.world.view.runs.erase(web);
  CHECK(it.round().idle());
  it.round().looks();
}

TEST_CASE("a record that was refused is tried again") {
  Plugging it;
  it.sees({root, extra(1)}).found({plugged}).refused_by_store();
  it.wait(seconds(1)).answer(DomainProbe{DomainState::Running, qemu, ""});
  CHECK(it.asked() == Images{"vms/extra"});
}

TEST_CASE("nothing is recorded about another QEMU than the one that runs, nor while pvcd leaves") {
  Plugging it;
  SECTION("pvcd leaves") { it.stopping = true; }
  SECTION("the record names another process") { it.world.view.runs.at(web).value.process = Process{501, 10}; }
  SECTION("the record is of an older generation") { it.world.view.runs.at(web).value.generation = 2; }
  CHECK_FALSE(it.sees({root, extra(1)}).plans<IdentifyInstances>());
}

TEST_CASE("a new QEMU has none of the disks that were plugged into the one before") {
  Plugging it;
  it.sees({root, extra(1)}).found({plugged}).written();
  it.crash();
  it.images.erase(web);
  it.proceed().created().identified().written().resumed().written();
  CHECK(it.recorded() == Instances{instance});
  CHECK(it.sees({root, extra(0)}).asked() == Images{"vms/extra"});
}
