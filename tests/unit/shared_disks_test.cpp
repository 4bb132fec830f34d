// A VM with files in a shared directory: which file system it ran on is on record, whoever owns it next (safety rule
// 12).

#include "logic/units.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

const std::string file = "/net/vms/web1.raw";
const std::vector<FileSystem> of_n1 = {{file, "abc-12-1700000000"}};
const std::vector<FileSystem> of_n2 = {{file, "def-12-1700000000"}};

// n2 owns web1, which has a disk in a shared directory.
struct SharedOwner : Agent {
  SharedOwner() {
    settings.hooks = {shared_files_hook, "rbd-locks"};
    world.vm(web).disks.push_back({"vdb", DiskKind::Shared, file});
    world.own(web, "n2", 3);
  }
  SharedOwner& ran_before(const NodeName& node) {
    RunRecord& run = world.run(web, VmState::Running);
    run.life = world.life(node);
    run.generation = 2;
    run.file_systems = of_n1;
    return *this;
  }
  Agent& sees(std::vector<FileSystem> file_systems) {
    REQUIRE(plans<RunHook>());
    HookVerdict verdict;
    verdict.verdict = Verdict::Proceed;
    verdict.file_systems = std::move(file_systems);
    return answer(verdict).proceed();
  }
  const RunRecord& record() {
    REQUIRE(plans<WriteRun>());
    return plans<WriteRun>()->record;
  }
};

}  // namespace

TEST_CASE("what a start has seen at its shared directories is on record before its CPUs run") {
  SharedOwner it;
  it.round().gone();
  CHECK(it.plans<RunHook>()->request.file_systems.empty());
  CHECK(it.plans<RunHook>()->request.disks.back().kind == DiskKind::Shared);
  it.sees(of_n1).created().identified();
  CHECK(it.record().state == VmState::Starting);
  CHECK(it.record().file_systems == of_n1);
  it.written().resumed();
  CHECK(it.record().state == VmState::Running);
  CHECK(it.record().file_systems == of_n1);
}

TEST_CASE("a hook hears what the last start has seen, wherever that was, until one has started since") {
  SharedOwner it;
  it.ran_before(GENERATE("n1", "n2")).round().gone();
  CHECK(it.plans<RunHook>()->request.file_systems == of_n1);
  SECTION("a refusal that is recorded keeps it") {
    it.verdict(Verdict::Refuse, "it is another one");
    CHECK(it.record().generation == 3);
    CHECK(it.record().file_systems == of_n1);
    it.written().wait(seconds(1)).gone();
    CHECK(it.plans<RunHook>()->request.file_systems == of_n1);
  }
  SECTION("so does a release") {
    it.world.vm(web).wanted = WantedState::Stopped;
    it.verdict(Verdict::Refuse, "it is another one").gone();
    if (it.plans<AfterStop>()) it.act_done();  // n2 ran it before, and has what it left behind
    REQUIRE(it.record().state == VmState::Stopped);
    CHECK(it.plans<WriteRun>()->owner->released);
    CHECK(it.record().file_systems == of_n1);
  }
  SECTION("so does a start that has seen others only") {
    it.sees({{"/net/iso/a.iso", "123-4-5"}}).created().identified();
    CHECK(it.record().file_systems == std::vector<FileSystem>{{"/net/iso/a.iso", "123-4-5"}, of_n1.front()});
  }
  SECTION("a start that is recorded replaces it") {
    it.sees(of_n2).created().identified();
    CHECK(it.record().file_systems == of_n2);
  }
  SECTION("what a start has seen that was given up counts for nothing") {
    it.sees(of_n2);
    it.answer(CreateAnswer{Outcome::Refused, std::nullopt, "no emulator"});
    CHECK(it.record().file_systems == of_n1);
    it.written().wait(seconds(1)).gone();
    it.sees(of_n2);
    it.answer(CreateAnswer{Outcome::Refused, std::nullopt, "no emulator"}).gone();
    if (it.plans<AfterStop>()) it.act_done();
    CHECK(it.plans<WriteRun>()->owner->released);
    CHECK(it.record().file_systems == of_n1);
  }
}

TEST_CASE("of a VM that is new or defined anew a hook hears what the others are on") {
  SharedOwner it;
  it.world.own(mail, "n1");
  it.world.run(mail).file_systems = {{"/net/vms/mail.raw", "abc-12-1700000000"}};
  const bool has_run = GENERATE(true, false);
  if (has_run) it.ran_before("n1");
  it.round().gone();
  const auto& told = it.plans<RunHook>()->request.file_systems;
  CHECK(told == (has_run ? of_n1 : it.world.view.runs.at(mail).value.file_systems));
}

TEST_CASE("a host that is not told to look at shared files starts no VM that has some") {
  SharedOwner it;
  it.settings.hooks = {"rbd-locks"};
  const bool shared = GENERATE(true, false);
  if (!shared) it.world.vm(web).disks.pop_back();
  it.round().gone();
  CHECK((it.plans<RunHook>() == nullptr) == shared);
  if (!shared) return;
  CHECK(it.record().reason == "n2 does not look at shared files: [hooks] vm_pre_start does not name shared-files");
  it.written().wait(seconds(1)).gone().written().looks().gone();
  CHECK(it.plans<WriteRun>()->owner->failed_on == std::vector<NodeName>{"n2"});
}

TEST_CASE("a VM without shared files does not wait for the hook that looks at them") {
  SharedOwner it;
  it.world.vm(web).disks.pop_back();
  it.round().gone();
  CHECK(it.plans<RunHook>()->hook == "rbd-locks");
  it.proceed().created();
  CHECK(it.plans<IdentifyInstances>()->hook == "rbd-locks");
  it.identified();
  CHECK(it.record().state == VmState::Starting);
}

TEST_CASE("the hook is needed on a node for VMs with shared files, and for no others") {
  VmRecord vm;
  vm.disks = {{"vda", DiskKind::Rbd, "vms/a"}};
  const std::vector<std::string> configured =
      GENERATE(std::vector<std::string>{"libvirt", "rbd-locks"},
               std::vector<std::string>{"libvirt", shared_files_hook, "rbd-locks"});
  CHECK(needs_of(vm, {configured, seconds(7)}).plugins == std::vector<std::string>{"libvirt", "rbd-locks"});
  vm.disks.push_back({"vdb", DiskKind::Shared, file});
  const UnitNeeds needs = needs_of(vm, {configured, seconds(7)});
  CHECK(needs.plugins == std::vector<std::string>{"libvirt", "rbd-locks", shared_files_hook});
  CHECK(needs.silent_after == seconds(7));
}

TEST_CASE("a host that lacks what it needs is tried once more, then another one") {
  SharedOwner it;
  it.ran_before("n1").round().gone().refused_here("nothing is mounted at /net/vms");
  CHECK(it.record().reason == "nothing is mounted at /net/vms");
  it.written().wait(seconds(1)).gone().refused_here("nothing is mounted at /net/vms").looks().gone();
  CHECK(it.plans<WriteRun>()->owner->released);
  CHECK(it.plans<WriteRun>()->owner->failed_on == std::vector<NodeName>{"n2"});
  CHECK(it.record().reason == "it could not be started on n2, tried 2 times: nothing is mounted at /net/vms");
  CHECK(it.record().file_systems == of_n1);
}

TEST_CASE("who only helps with a release need not have the shared directories") {
  SharedOwner it;
  it.ran_before("n2");
  it.world.own(web, "n3", 4);
  it.world.job(1, "node-release-images", "n2", {{"vm", web}});
  it.round().gone();
  REQUIRE(it.plans<RunHook>());
  CHECK(it.plans<RunHook>()->hook == "rbd-locks");
}

TEST_CASE("a hook's answer is its own, although the VM has gone to another node meanwhile") {
  SharedOwner it;
  it.ran_before("n2").round().gone();
  HookVerdict verdict;
  verdict.verdict = Verdict::Proceed;
  it.answer(verdict);
  REQUIRE(it.plans<RunHook>()->hook == "rbd-locks");
  it.world.own(web, "n3", 4);
  it.wait_verdict(seconds(3), {"vms/disk1 10.0.0.2:0/3"});
  CHECK(it.memory.vms.at(web).first_seen.contains("rbd-locks"));
  CHECK(it.plans<CreateDomain>() == nullptr);
}
