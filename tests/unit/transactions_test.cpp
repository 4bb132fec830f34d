// What each decision writes, and what it depends on: a check that is missing here is missing in the store.
#include "logic/transactions.hpp"

#include <catch2/catch.hpp>

#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using namespace pvcd::logic::test;

namespace {

using Words = std::vector<std::string>;

std::string words(const Key& key) {
  static const std::map<Kind, std::string> kinds = {
      {Kind::Leader, "leader"}, {Kind::Node, "node"},   {Kind::Live, "live"},         {Kind::Session, "session"},
      {Kind::Vm, "vm"},         {Kind::Name, "name"},   {Kind::Image, "image"},       {Kind::Owner, "owner"},
      {Kind::Run, "run"},       {Kind::Fence, "fence"}, {Kind::Evidence, "evidence"}, {Kind::Waiting, "waiting"},
  };
  return kinds.at(key.kind) + (key.name.empty() ? "" : " " + key.name);
}
std::string at(Version version) { return version == any_version ? "" : " at " + std::to_string(version); }

std::string words(const Check& check) { return "check " + words(check.key) + at(check.version); }
std::string words(const Absent& absent) { return "without " + words(absent.key); }
std::string words(const Put& put) {
  return (put.replaces ? "replace " : "create ") + words(put.key) + at(put.replaces.value_or(any_version));
}
std::string words(const Append& append) { return "append to " + append.parent; }
std::string words(const Remove& remove) { return "remove " + words(remove.key) + at(remove.version); }

Words words(const Changes& changes) {
  Words list;
  for (const Change& change : changes) list.push_back(std::visit([](const auto& one) { return words(one); }, change));
  return list;
}
// Of a decision of the primary: after the check that it still is.
Words words(const CoordinatorAct& act) {
  const World world;
  const auto changes = transaction_of(act, world.view);
  REQUIRE(changes.has_value());
  Words list = words(*changes);
  REQUIRE_FALSE(list.empty());
  CHECK(list.front() == "check leader at 7");
  list.erase(list.begin());
  return list;
}

}  // namespace

TEST_CASE("evidence is refused by the store while its victim shows life; only power takes a session away (rule 13)") {
  const auto [kind, live_version, session, guards] = GENERATE(table<EvidenceKind, std::optional<Version>, bool, Words>({
      {EvidenceKind::Power, 100, true, {"check live n2.1 at 100", "remove session n2.1", "remove live n2.1 at 100"}},
      {EvidenceKind::Power, 100, false, {"check live n2.1 at 100", "remove live n2.1 at 100"}},
      {EvidenceKind::Watchdog, 100, true, {"check live n2.1 at 100", "remove live n2.1 at 100"}},
      {EvidenceKind::LaterBoot, 100, false, {"check live n2.1 at 100", "remove live n2.1 at 100"}},
      {EvidenceKind::Power, std::nullopt, false, {"without live n2.1"}},
      {EvidenceKind::Operator, std::nullopt, false, {"without live n2.1"}},
  }));
  World world;
  CommitEvidence act;
  act.record.kind = kind;
  act.record.life = world.life("n2");
  act.live_version = live_version;
  act.session = session;
  act.node_version = 10;
  Words expected = {"check node n2 at 10"};
  expected.insert(expected.end(), guards.begin(), guards.end());
  SECTION("no fence is open") {
    expected.push_back("create evidence boot-n2-1");
    CHECK(words(act) == expected);
  }
  SECTION("the fence is confirmed with it; it proves more than what is there") {
    act.fence = world.fence("n2", FencePhase::Confirmed);
    act.fence_version = 60;
    act.replaces = 70;
    expected.push_back("replace evidence boot-n2-1 at 70");
    expected.push_back("replace fence n2 at 60");
    CHECK(words(act) == expected);
  }
}

TEST_CASE("a VM is assigned to a life that has a session, on the wish, the owner and the evidence that were seen") {
  World world;
  AssignVm act;
  act.uuid = web;
  act.record = world.own(web, "n3", 2);
  act.vm_version = 3;
  const std::string uuid = web;
  SECTION("it never had an owner") {
    CHECK(words(act) ==
          Words{"check vm " + uuid + " at 3", "check session n3.1", "create owner " + uuid, "append to " + uuid});
  }
  SECTION("it is taken from a host that was proven off") {
    act.replaces = 21;
    act.relies_on = {"boot-n2-1"};
    CHECK(words(act) == Words{"check vm " + uuid + " at 3", "check session n3.1", "check evidence boot-n2-1",
                              "replace owner " + uuid + " at 21", "append to " + uuid});
  }
}

TEST_CASE("a VM that is undefined leaves nothing but its owner record, and is not removed when that has moved on") {
  World world;
  RemoveVm act{"", world.vm(web), 3, {}, {}};
  const std::string uuid = web;
  const Words entries = {"remove name vm1", "remove image rbd:vms%2Fdisk1", "remove vm " + uuid + " at 3"};
  Words first;
  SECTION("it never had an owner") {}
  SECTION("it was owned and never started") {
    act.owner_version = 21;
    first = {"check owner " + uuid + " at 21"};
  }
  SECTION("it has run") {
    act.owner_version = 21;
    act.run_version = 40;
    first = {"remove run " + uuid + " at 40", "check owner " + uuid + " at 21"};
  }
  first.insert(first.end(), entries.begin(), entries.end());
  CHECK(words(act) == first);
}

TEST_CASE("why a VM waits is written over what was seen, and removed when it waits no longer") {
  const std::string entry = "waiting " + web;
  CHECK(words(TellWaiting{"", web, WaitingRecord{"no room"}, {}}) == Words{"create " + entry});
  CHECK(words(TellWaiting{"", web, WaitingRecord{"no room"}, 9}) == Words{"replace " + entry + " at 9"});
  CHECK(words(TellWaiting{"", web, {}, 9}) == Words{"remove " + entry + " at 9"});
}

TEST_CASE("what is asked of a plugin, or given up by the node itself, writes nothing") {
  const World world;
  const auto act = GENERATE(CoordinatorAct{ReadPower{}}, CoordinatorAct{PowerOff{}}, CoordinatorAct{FenceStorage{}},
                            CoordinatorAct{GiveUpRole{}});
  CHECK_FALSE(transaction_of(act, world.view).has_value());
}

TEST_CASE("before anybody was elected there is no leadership that could have moved") {
  World world;
  CHECK(words(epoch_guard(world.vacate(8).view)) == Words{"check leader at 8"});
  world.view.leader.reset();
  CHECK(epoch_guard(world.view).empty());
}

TEST_CASE("an answer of the store that may mean either is taken for neither done nor refused") {
  const auto [code, outcome] = GENERATE(table<CommitCode, Outcome>({
      {CommitCode::Ok, Outcome::Done},
      {CommitCode::Unknown, Outcome::Unknown},
      {CommitCode::NoEntry, Outcome::Refused},
      {CommitCode::Exists, Outcome::Refused},
      {CommitCode::BadVersion, Outcome::Refused},
      {CommitCode::NotEmpty, Outcome::Refused},
      {CommitCode::Denied, Outcome::Refused},
      {CommitCode::TooBig, Outcome::Refused},
      {CommitCode::Invalid, Outcome::Refused},
  }));
  CHECK(outcome_of(code) == outcome);
}

TEST_CASE("a node writes what it does with a VM only as its owner; a start is in the VM's history, a refusal is not") {
  Owner n2;
  const std::string uuid = web;
  const auto written = [&] { return words(transaction_of(*n2.plans<WriteRun>(), web)); };
  n2.gone();
  SECTION("refused") {
    n2.verdict(Verdict::Refuse, "locked by client.4");
    CHECK(written() == Words{"check owner " + uuid + " at 23", "create run " + uuid});
  }
  SECTION("started: the record first, then what it needs no more of its former writers") {
    n2.proceed().created().identified();
    CHECK(written() == Words{"check owner " + uuid + " at 23", "create run " + uuid, "append to " + uuid});
    n2.written().resumed();
    CHECK(written() == Words{"replace owner " + uuid + " at 23", "replace run " + uuid + " at 40"});
  }
}
