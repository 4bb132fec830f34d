// A lost host whose BMC gives no answer is shut out of its disks; only every OSD's knowledge of it is evidence.
#include <catch2/catch.hpp>

#include "fencing_case.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

const std::string disk = "vms/disk" + web.substr(35);
const std::string storage_key = "storage/n2";

// n2 is lost, and its BMC says nothing.
struct WithoutBmc : FencingCase {
  WithoutBmc() {
    world.lose("n2");
    n1.round();
    fence_is_seen();
  }
  // The next answer that is none, and what comes of it.
  WithoutBmc& silent_read() {
    silence(seconds(5));
    n1.read("n2", PowerState::Unknown, "no answer").round();
    if (put()) fence_is_seen();
    return *this;
  }
  FencePhase phase() const { return world.view.fences.at("n2").value.phase; }
  WithoutBmc& acting() {
    silent_read().silent_read();
    n1.round();
    if (put()) fence_is_seen();
    return *this;
  }
  WithoutBmc& answer(StorageFenced answer) {
    n1.answers.push_back(StorageActed{world.life("n2"), std::move(answer), n1.now});
    n1.done(storage_key, answer.outcome).round();
    return *this;
  }
  const FenceStorage* shut_out() const { return n1.with_key<FenceStorage>(storage_key); }
};

StorageFenced done(const std::vector<std::string>& images = {disk}) {
  return {Outcome::Done, images, {"every placement group answered"}, {}};
}

}  // namespace

TEST_CASE("the disks are taken away after the BMC has been silent twice, and only when a record says so") {
  WithoutBmc it;
  it.silent_read();
  CHECK(it.phase() == FencePhase::Intent);
  it.silent_read();
  CHECK(it.phase() == FencePhase::Acting);
  CHECK_FALSE(it.shut_out());
  it.n1.round();
  REQUIRE(it.shut_out());
  CHECK(it.shut_out()->victim == it.world.life("n2"));
  CHECK(it.shut_out()->addresses == std::vector<std::string>{"10.0.0.2"});
  CHECK(it.shut_out()->images == std::vector<std::string>{disk});
  CHECK(it.shut_out()->instances == std::vector<ClientInstance>{{disk, "10.0.0.2:0/1"}});
  CHECK(it.off());  // the BMC goes on being asked
}

TEST_CASE("an answer that proves it is evidence of the images that it names; any other is asked for again, later") {
  WithoutBmc it;
  it.acting();
  SECTION("proven") {
    it.answer(done());
    REQUIRE(it.evidence());
    CHECK(it.evidence()->record.kind == EvidenceKind::Storage);
    CHECK(it.evidence()->record.images == std::vector<std::string>{disk});
    CHECK(it.evidence()->record.facts.back() == "every placement group answered");
    CHECK(it.evidence()->fence->phase == FencePhase::Confirmed);
    CHECK_FALSE(it.evidence()->session);
  }
  SECTION("not of each image") {
    it.answer(done({"vms/another"}));
    CHECK_FALSE(it.evidence());
  }
  SECTION("unknown, with another image that is proven") {
    it.answer({Outcome::Unknown, {"vms/another"}, {"half of them answered"}, "an OSD does not answer"});
    CHECK_FALSE(it.evidence());
    CHECK_FALSE(it.shut_out());
    it.n1.done("off/n2", Outcome::Refused).done("fence/n2");
    it.silence(seconds(1));
    CHECK(it.shut_out());
  }
  SECTION("refused: whatever it names was not done") {
    it.answer({Outcome::Refused, {disk}, {"every placement group answered"}, "not permitted"});
    CHECK_FALSE(it.evidence());
    REQUIRE(it.n1.memory.power.contains("n2"));
    CHECK(it.n1.memory.power.at("n2").storage.note == "its disks could not be taken away: not permitted");
  }
  SECTION("asked for before it showed life") {
    const Instant asked_at = it.n1.now;
    it.world.beat("n2");
    it.silence(seconds(1));
    it.n1.answers.push_back(StorageActed{it.world.life("n2"), done(), asked_at});
    it.n1.done(storage_key).round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("about a node that nobody judges") {
    it.n1.answers.push_back(StorageActed{it.world.life("n3"), done(), it.n1.now});
    it.n1.round();
    CHECK_FALSE(it.n1.memory.power.contains("n3"));
    CHECK_FALSE(it.n1.plans("evidence/boot-n3-1"));
  }
  SECTION("about an earlier life") {
    it.n1.answers.push_back(StorageActed{{"n2", "boot-n2-0", 0}, done(), it.n1.now});
    it.n1.done(storage_key).round();
    CHECK_FALSE(it.evidence());
  }
  SECTION("proven, and n2 is back") {
    it.world.live("n2").session = true;
    it.world.beat("n2");
    it.answer(done());
    CHECK_FALSE(it.evidence());
  }
}

TEST_CASE("storage evidence says why each better kind was not there") {
  WithoutBmc it;
  std::string watchdog = "n2 has none armed";
  SECTION("it has no watchdog") { it.acting(); }
  SECTION("its watchdog is not armed") {
    const std::string why = GENERATE(as<std::string>{}, "", "no device");
    it.world.live("n2").value.self_fence = SelfFence{false, 0, 0, why};
    watchdog += why.empty() ? "" : ": " + why;
    it.acting();
  }
  SECTION("its watchdog may let it live for longer") {
    it.world.live("n2").value.self_fence = SelfFence{true, seconds(4), seconds(100), {}};
    watchdog =
        "it may live until its session is gone and it has been silent for 114400 ms, and so far that is 10000 ms";
    it.acting();
  }
  SECTION("what it has recorded of it is nonsense") {
    it.world.live("n2").value.self_fence = SelfFence{true, 0, 0, {}};
    watchdog = "what n2 has recorded of it cannot be believed";
    it.acting();
  }
  SECTION("there is no word of it") {
    it.world.view.live.erase({"n2", 1});
    watchdog = "there is no word of n2 about one";
    it.acting();
  }
  it.answer(done());
  REQUIRE(it.evidence());
  CHECK(it.rejected() == std::vector<std::string>{"power: its BMC has not answered 2 reads in a row",
                                                  "later boot: it has not joined in a later boot",
                                                  "operator: nobody has confirmed that this boot is off",
                                                  "watchdog: " + watchdog});
}

TEST_CASE("nobody is shut out whose BMC answers, who is only silent, who left, or while people work on the cluster") {
  FencingCase it;
  const auto never = [&] {
    for (int i = 0; i < 8; ++i) {
      it.n1.wait(seconds(5)).refresh();
      it.world.beat_all_but("n2");
      it.n1.read("n2", PowerState::Unknown).round();
      if (it.put()) it.fence_is_seen();
      CHECK_FALSE(it.n1.with_key<FenceStorage>(storage_key));
    }
  };
  SECTION("silent, its session is there") { never(); }
  SECTION("it left in order") {
    it.world.says("n2", DaemonState::Left);
    it.n1.round();
    it.world.lose("n2");
    never();
  }
  SECTION("maintenance") {
    it.world.maintenance().lose("n2");
    never();
  }
  SECTION("the BMC answers") {
    it.world.lose("n2");
    it.n1.round();
    it.fence_is_seen();
    it.n1.read("n2", PowerState::Unknown).round();
    it.fence_is_seen();
    it.n1.read("n2", PowerState::On).round();
    it.fence_is_seen();
    it.n1.round();
    CHECK_FALSE(it.n1.with_key<FenceStorage>(storage_key));
    CHECK(it.off());
  }
}

TEST_CASE("an address that others have, too, is never shut out, and the fence says why") {
  WithoutBmc it;
  SECTION("another node's") { it.world.node("n3").storage_addresses.push_back("10.0.0.2"); }
  SECTION("another node's, for other things") { it.world.node("n3").addresses = {"10.0.0.2"}; }
  SECTION("one that moves") { it.world.node("n3").floating_addresses = {"10.0.0.2"}; }
  SECTION("none is recorded") {
    it.world.node("n2").storage_addresses.clear();
    it.world.view.owners[web].value.storage_addresses.clear();
  }
  it.acting();
  CHECK(it.phase() == FencePhase::Intent);  // a join cancels it
  CHECK_FALSE(it.shut_out());
  CHECK_THAT(it.world.view.fences.at("n2").value.note, Catch::Contains("storage address"));
  CHECK_THAT(it.n1.memory.power.at("n2").storage.note, Catch::Contains("storage address"));
}

TEST_CASE("an address that has become another's is not shut out again, as long as it is that") {
  WithoutBmc it;
  it.acting();
  REQUIRE(it.shut_out());
  it.answer({Outcome::Unknown, {}, {}, "Ceph does not answer"});
  it.world.node("n3").floating_addresses = {"10.0.0.2"};
  it.silence(it.n1.settings.retry_min);
  CHECK_FALSE(it.shut_out());
  CHECK(it.n1.memory.power.at("n2").storage.note ==
        "its disks could not be taken away: its storage address 10.0.0.2 is one of n3 that may move");
  it.world.node("n3").floating_addresses.clear();
  it.silence(2 * it.n1.settings.retry_min - 1);
  CHECK_FALSE(it.shut_out());
  it.silence(1);
  CHECK(it.shut_out());
}

TEST_CASE("what is taken away is what the records of that boot name, and nothing else") {
  WithoutBmc it;
  const std::string mails = "vms/disk" + mail.substr(35);
  std::vector<std::string> images = {disk};
  std::vector<ClientInstance> instances = {{disk, "10.0.0.2:0/1"}};
  it.world.own(mail, "n2").storage_addresses = {"10.9.0.2"};
  it.world.run(mail);
  std::vector<std::string> addresses = {"10.0.0.2"};
  SECTION("of a VM that it has released nothing") { it.world.view.owners.at(mail).value.released = true; }
  SECTION("of a VM of an earlier boot nothing") { it.world.view.owners.at(mail).value.owner.boot = "boot-n2-0"; }
  SECTION("of a VM whose definition cannot be read what it was recorded to have open") {
    it.world.view.vms.erase(mail);
    images.push_back(mails);
    instances.push_back({mails, "10.9.0.2:0/1"});
    addresses.push_back("10.9.0.2");
  }
  SECTION("of a VM with a local disk the images of Ceph") {
    it.world.vm(mail).disks.push_back({"vdb", DiskKind::Local, "/var/lib/vdb"});
    images.push_back(mails);
    instances.push_back({mails, "10.9.0.2:0/1"});
    addresses.push_back("10.9.0.2");
  }
  it.acting();
  REQUIRE(it.shut_out());
  CHECK(it.shut_out()->images == images);
  CHECK(it.shut_out()->instances == instances);
  CHECK(it.shut_out()->addresses == addresses);
}

namespace {

// So often it is not known of the rest, which ends the wait for it.
void proves_only(WithoutBmc& it, const std::vector<std::string>& images) {
  for (int tries = 1; tries <= 3; ++tries) {
    REQUIRE(it.shut_out());
    it.answer({Outcome::Unknown, images, {"a pool answered"}, "another does not"});
    it.n1.refresh();
    if (tries < 3) it.silence(seconds(10));
  }
}

}  // namespace

TEST_CASE("what is proven of some images is no evidence while no VM that it owns could be started elsewhere for it") {
  WithoutBmc it;
  const std::string mails = "vms/disk" + mail.substr(35);
  bool frees = false;
  it.world.own(mail, "n2");
  SECTION("the twin: that VM is its own") { frees = true; }
  SECTION("that VM is another's") { it.world.own(mail, "n3"); }
  SECTION("that VM has been released") { it.world.view.owners.at(mail).value.released = true; }
  SECTION("that VM is of an earlier boot") { it.world.view.owners.at(mail).value.owner.boot = "boot-n2-0"; }
  SECTION("which disks that VM has cannot be read") { it.world.view.vms.erase(mail); }
  SECTION("that VM has another disk") { it.world.vm(mail).disks.push_back({"vdb", DiskKind::Local, "/vdb"}); }
  it.acting();
  proves_only(it, {mails});
  CHECK((it.evidence() != nullptr) == frees);
}

TEST_CASE("of many images without proof a few are named, and the rest as these") {
  WithoutBmc it;
  const std::size_t unproven = GENERATE(8u, 9u, 20u);
  it.world.own(mail, "n2");
  it.world.vm(mail).disks.clear();
  for (std::size_t i = 0; i < unproven; ++i)
    it.world.vm(mail).disks.push_back({"vda", DiskKind::Rbd, "vms/more" + std::to_string(i)});
  it.acting();
  proves_only(it, {disk});
  REQUIRE(it.evidence());
  const std::size_t better_kinds = 4;
  CHECK(it.rejected().size() == better_kinds + std::min<std::size_t>(unproven, 8 + 1));
  CHECK((it.rejected().back() == "storage of more images: as these") == (unproven > 8));
}

TEST_CASE("one sick pool keeps no VM waiting for ever whose disks are in another") {
  WithoutBmc it;
  it.world.own(mail, "n2");
  it.acting();
  REQUIRE(it.shut_out());
  CHECK(it.shut_out()->images.size() == 2);
  for (int tries = 1; tries <= 3; ++tries) {
    CHECK_FALSE(it.evidence());
    it.answer({Outcome::Unknown, {disk}, {"pool vms answered"}, "pool mail does not"});
    it.n1.refresh();
    if (tries < 3) it.silence(seconds(10));
  }
  REQUIRE(it.evidence());
  CHECK(it.evidence()->record.images == std::vector<std::string>{disk});
  REQUIRE(it.rejected().size() == 5);  // each disk is judged alone
  CHECK(it.rejected().back() ==
        "storage of vms/disk" + mail.substr(35) + ": its disks could not be taken away: pool mail does not");
}

TEST_CASE("nothing is taken away for nothing: when no VM could be started elsewhere, or by whom is not there") {
  WithoutBmc it;
  SECTION("its disk is its own") { it.world.vm(web).disks = {{"vda", DiskKind::Local, "/vda"}}; }
  SECTION("it has none") { it.world.vm(web).disks.clear(); }
  SECTION("it has been released") { it.world.view.owners.at(web).value.released = true; }
  SECTION("which disks it has cannot be read") { it.world.view.vms.erase(web); }
  SECTION("the plugin does not run here") { it.n1.settings.storage_fencer = "rbd-locks"; }
  SECTION("too many others at once") { it.n1.settings.fences_at_once = 0; }
  it.acting();
  CHECK(it.phase() == FencePhase::Intent);
  CHECK_FALSE(it.shut_out());
  CHECK_THAT(it.world.view.fences.at("n2").value.note, Catch::Contains("its disks cannot be taken away"));
}

TEST_CASE("the disks are taken away by a plugin of the primary that runs") {
  WithoutBmc it;
  it.n1.settings.storage_fencer = "rbd-locks";
  bool acts = true;
  SECTION("it runs") { it.world.live("n1").value.units["rbd-locks"] = {"running", 0, {}}; }
  SECTION("it is stalled") {
    it.world.live("n1").value.units["rbd-locks"] = {"stalled", 0, {}};
    acts = false;
  }
  it.acting();
  CHECK((it.phase() == FencePhase::Acting) == acts);
  CHECK((it.shut_out() != nullptr) == acts);
}

TEST_CASE("a primary that cannot read its own record takes the plugin that takes disks away for granted") {
  WithoutBmc it;
  it.n1.settings.storage_fencer = "rbd-locks";
  it.silent_read();
  REQUIRE(it.phase() == FencePhase::Intent);
  ClusterView view = it.world.view;
  const bool is_read = GENERATE(true, false);
  if (!is_read) view.nodes.erase("n1");
  it.n1.read("n2", PowerState::Unknown, "no answer");
  const CoordinatorPlan plan = decide_coordinator({view, it.world.life("n1"), true, true, it.n1.now, it.n1.answers},
                                                  it.n1.settings, it.n1.memory);
  const bool announced = std::any_of(plan.actions.begin(), plan.actions.end(), [](const CoordinatorAction& action) {
    const auto* put = std::get_if<PutFence>(&action.act);
    return put && put->record.phase == FencePhase::Acting;
  });
  CHECK(announced != is_read);
}

TEST_CASE("a host that is being shut out of its disks keeps its fence when its BMC answers in maintenance") {
  WithoutBmc it;
  const bool began = GENERATE(true, false);
  began ? it.acting() : it.silent_read();
  REQUIRE((it.shut_out() != nullptr) == began);
  it.world.maintenance();
  it.n1.refresh().read("n2", PowerState::On).wait(seconds(1)).round();
  CHECK(it.n1.plans("drop-fence/n2") != began);
  CHECK(it.reads() == began);
}

TEST_CASE("who is proven needs no turn any more: the next host is shut out of its disks in the same round") {
  FencingCase it;
  it.n1.settings.fences_at_once = 1;
  it.world.own(mail, "n3");
  const auto silent_reads = [&](const std::vector<NodeName>& names) {
    for (int i = 0; i < 4; ++i) {
      it.n1.refresh().wait(seconds(5));
      it.world.beat_all_but("");
      for (const NodeName& name : names) it.n1.read(name, PowerState::Unknown, "no answer");
      it.n1.round();
      for (const PutFence& put : it.n1.all<PutFence>())
        it.world.view.fences[put.record.victim.node] = {put.record, put.replaces.value_or(60) + 1};
    }
  };
  it.world.lose("n3");
  silent_reads({"n3"});
  REQUIRE(it.n1.with_key<FenceStorage>("storage/n3"));
  it.world.lose("n2");
  silent_reads({"n2", "n3"});
  const FenceRecord& fence = it.world.view.fences.at("n2").value;
  CHECK(fence.phase == FencePhase::Intent);
  CHECK_THAT(fence.note, Catch::EndsWith("1 others are being shut out: it waits for its turn"));
  it.world.prove("n3", EvidenceKind::Operator);
  it.n1.refresh().wait(seconds(1)).round();
  REQUIRE(it.put());
  CHECK(it.put()->record.phase == FencePhase::Acting);
}

TEST_CASE("storage evidence covers images of Ceph that it names, and nothing else (rule 12)") {
  World world;
  EvidenceRecord& evidence = world.prove("n2", EvidenceKind::Storage);
  VmRecord& vm = world.vm(web);
  CHECK_FALSE(covers(evidence, vm));
  evidence.images = {disk};
  CHECK(covers(evidence, vm));
  vm.disks.push_back({"vdb", DiskKind::Local, disk});
  CHECK_FALSE(covers(evidence, vm));
  evidence.kind = EvidenceKind::Power;
  CHECK(covers(evidence, vm));
  vm.disks.clear();
  CHECK(covers(evidence, vm));
  evidence.kind = EvidenceKind::Storage;
  CHECK_FALSE(covers(evidence, vm));  // a guest without disks may run on
}

TEST_CASE("a VM with a disk that is not covered waits and says so; what proves more replaces the evidence") {
  World world;
  world.own(web, "n2");
  world.run(web);
  world.vm(web).disks.push_back({"vdb", DiskKind::Local, "/var/lib/vdb"});
  Coordinator n1{world};
  world.prove("n2", EvidenceKind::Storage).images = {disk};
  n1.round();
  CHECK_FALSE(n1.plans("assign/" + web));
  CHECK_THAT(n1.memory.waiting[web], Catch::Contains("n2 is shut out of Ceph"));
  SECTION("a later boot") {
    world.view.live.erase({"n2", 1});
    world.join("n2", 2, 2);
    n1.refresh().round();
    const auto* evidence = n1.with_key<CommitEvidence>("evidence/boot-n2-1");
    REQUIRE(evidence);
    CHECK(evidence->record.kind == EvidenceKind::LaterBoot);
    CHECK(evidence->replaces == 70);
  }
  SECTION("a person's word") {
    world.job(5, "node-confirm-off", "n2", {{"boot_id", "boot-n2-1"}}, JobState::Running);
    n1.refresh().round();
    const auto* evidence = n1.with_key<CommitEvidence>("evidence/boot-n2-1");
    REQUIRE(evidence);
    CHECK(evidence->record.kind == EvidenceKind::Operator);
    CHECK(evidence->replaces == 70);
  }
}

TEST_CASE("what is sent to the storage late holds only while its reason does") {
  WithoutBmc it;
  it.acting();
  REQUIRE(it.shut_out());
  const FenceStorage act = *it.shut_out();
  CHECK(still_holds(act, it.world.view));
  SECTION("another record") { it.world.view.fences["n2"].version++; }
  SECTION("it beats again") { it.world.beat("n2"); }
  SECTION("a newer primary") { it.world.lead("n3", 8); }
  SECTION("it is proven otherwise") { it.world.prove("n2", EvidenceKind::Operator); }
  CHECK_FALSE(still_holds(act, it.world.view));
}
