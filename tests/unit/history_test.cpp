// Every link of the chain of a start, removed or forged in turn, is missed. And what the logic writes is intact.
#include <catch2/catch.hpp>
#include <functional>

#include "audit/history.hpp"
#include "logic/transactions.hpp"
#include "vm_agent.hpp"

using namespace pvcd;
using namespace pvcd::audit;

namespace {

const Life n1{"n1", "boot-1", 1};
const Life n1_again{"n1", "boot-1", 2};
const Life n1_rebooted{"n1", "boot-1b", 3};
const Life n2{"n2", "boot-2", 4};
const Life n3{"n3", "boot-3", 5};

// n1 owns the VM, adopts it again and dies; n2 takes it over and releases it; n3 takes it; an operator confirms n3 off;
// and n1, which has rebooted, takes it.
std::vector<LinkRecord> story() {
  const EvidenceRecord power{EvidenceKind::Power, n1_again, "n2", 8, {"its BMC reads off"}, {}};
  const EvidenceRecord word{EvidenceKind::Operator, n3, "n1", 9, {"uid 0 confirmed it"}, {}};
  return {
      {LinkKind::Assigned, 1, n1, 7, {}, {}},
      {LinkKind::Started, 1, n1, 7, Process{10, 1}, {}},
      {LinkKind::Readopted, 1, n1_again, 7, {}, {}},
      {LinkKind::Started, 1, n1_again, 7, Process{11, 2}, {}},
      {LinkKind::Assigned, 2, n2, 8, {}, Handover{n1_again, 1, CoverKind::Power, power}},
      {LinkKind::Started, 2, n2, 8, Process{20, 1}, {}},
      {LinkKind::Released, 2, n2, 8, {}, {}},
      {LinkKind::Assigned, 3, n3, 9, {}, Handover{n2, 2, CoverKind::Release, {}}},
      {LinkKind::Assigned, 4, n1_rebooted, 9, {}, Handover{n3, 3, CoverKind::Operator, word}},
      {LinkKind::Started, 4, n1_rebooted, 9, Process{12, 3}, {}},
  };
}

VmHistory numbered(const std::vector<LinkRecord>& links, std::uint64_t first = 0) {
  VmHistory history{"uuid-web1", "web1", {}};
  for (const LinkRecord& link : links) history.links.push_back({first++, link, {}});
  return history;
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an intact history proves every start") {
  const Finding found = check(numbered(story()));
  CHECK(found.starts == 4);
  CHECK(found.broken == std::vector<std::string>{});
  CHECK(check(numbered({})).broken.empty());
}

TEST_CASE("a history whose older links were removed begins anywhere") {
  const auto whole = story();
  for (std::size_t first = 1; first <= whole.size(); ++first) {
    INFO(first);
    CHECK(check(numbered({whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()}, first)).broken.empty());
  }
}

TEST_CASE("a link that is missing breaks the chain of the next start, whether or not the numbers tell it") {
  const std::vector<std::string> said = {"nothing says who assigned generation 1",
                                         {},
                                         "at that time generation 1 belonged to n1",
                                         {},
                                         "generation 1 belonged to",
                                         {},
                                         "the release of generation 2 by n2 (boot boot-2, incarnation 4) is missing",
                                         "generation 2 is followed by generation 4",
                                         "generation 3 belonged to n3",
                                         {}};
  for (std::size_t gone = 0; gone < said.size(); ++gone) {
    INFO(gone);
    VmHistory history = numbered(story());
    history.links.erase(history.links.begin() + static_cast<std::ptrdiff_t>(gone));
    if (gone + 1 < said.size() && gone > 0) {
      REQUIRE_FALSE(check(history).broken.empty());
      CHECK(mentions(check(history).broken.front(), "link " + std::to_string(gone) + " of its history is missing"));
    }
    std::vector<LinkRecord> renumbered;
    for (const NumberedLink& one : history.links) renumbered.push_back(*one.link);
    const Finding found = check(numbered(renumbered));
    CHECK(found.broken.empty() == said[gone].empty());
    if (!said[gone].empty()) CHECK(mentions(found.broken.front(), said[gone]));
  }
}

TEST_CASE("what is forged is told at the next start") {
  struct Forgery {
    std::string what;
    std::function<void(std::vector<LinkRecord>&)> forge;
    std::string said;
  };
  const std::vector<Forgery> forgeries = {
      {"a generation is left out", [](auto& links) { links[4].generation = links[5].generation = 3; },
       "generation 1 is followed by generation 3"},
      {"a generation comes back", [](auto& links) { links[8].generation = 2; },
       "generation 3 is followed by generation 2"},
      {"one generation for two", [](auto& links) { links[4].generation = 1; }, "generation 1 was given away twice"},
      {"the first is not 1",
       [](auto& links) {
         for (std::size_t i = 0; i < 4; ++i) links[i].generation = 5;
       },
       "its history begins with generation 5, not with 1"},
      {"the first has a predecessor",
       [](auto& links) {
         links[0].handover = Handover{n2, 0, CoverKind::Release, {}};
       },
       "whom nothing else mentions"},
      {"the evidence is gone", [](auto& links) { links[4].handover->evidence.reset(); },
       "the evidence about n1 (boot boot-1, incarnation 2) is missing"},
      {"the evidence is about another boot", [](auto& links) { links[4].handover->evidence->life.boot = "boot-0"; },
       "its evidence is about n1 (boot boot-0"},
      {"the evidence is about another node", [](auto& links) { links[4].handover->evidence->life.node = "n9"; },
       "its evidence is about n9"},
      {"the evidence is about an earlier session",
       [](auto& links) { links[4].handover->evidence->life.incarnation = 1; },
       "is older than the ownership that it ended"},
      {"the evidence is older than the ownership", [](auto& links) { links[4].handover->evidence->epoch = 6; },
       "is older than the ownership that it ended"},
      {"the evidence is newer than its use", [](auto& links) { links[4].handover->evidence->epoch = 9; },
       "later than the assignment that relies on it"},
      {"the evidence is of another kind",
       [](auto& links) { links[4].handover->evidence->kind = EvidenceKind::Operator; }, "of another kind"},
      {"nothing covers the former owner", [](auto& links) { links[4].handover->cover = CoverKind::None; },
       "nothing covers n1"},
      {"a release is claimed", [](auto& links) { links[4].handover->cover = CoverKind::Release; },
       "the release of generation 1 by n1 (boot boot-1, incarnation 2) is missing"},
      {"it was taken from another", [](auto& links) { links[7].handover->from = n3; }, "but its owner was n2"},
      {"it was taken at another generation", [](auto& links) { links[7].handover->generation = 1; },
       "but its owner was n2"},
      {"no handover", [](auto& links) { links[7].handover.reset(); }, "nothing says how n2"},
      {"the release is of another boot", [](auto& links) { links[6].life.boot = "boot-0"; },
       "n2 (boot boot-0, incarnation 4) released generation 2"},
      {"the release is of another generation", [](auto& links) { links[6].generation = 1; }, "released generation 1"},
      {"an epoch goes back", [](auto& links) { links[8].epoch = 8; }, "although epoch 9 had begun"},
      {"a start names another epoch", [](auto& links) { links[5].epoch = 7; }, "it names epoch 7"},
      {"a start elsewhere at the same generation",
       [](auto& links) {
         links.insert(links.begin() + 6, {LinkKind::Started, 2, n3, 8, Process{30, 1}, {}});
       },
       "at that time generation 2 belonged to n2"},
      {"a start in another boot", [](auto& links) { links[5].life.boot = "boot-0"; },
       "at that time generation 2 belonged to n2"},
      {"a start by a session that has ended", [](auto& links) { links[3].life = n1; },
       "at that time generation 1 belonged to n1"},
      {"a start after the release", [](auto& links) { std::swap(links[5], links[6]); },
       "had released that generation before"},
      {"a start that comes late", [](auto& links) { std::swap(links[3], links[4]); },
       "at that time generation 2 belonged to n2"},
      {"another boot adopts", [](auto& links) { links[2].life.boot = "boot-0"; }, "took generation 1 up again"},
      {"an older session adopts", [](auto& links) { links[2].life.incarnation = 1; }, "took generation 1 up again"},
      {"what was released is adopted",
       [](auto& links) {
         links.insert(links.begin() + 7, {LinkKind::Readopted, 2, {"n2", "boot-2", 6}, 8, {}, {}});
       },
       "took generation 2 up again"},
  };
  for (const Forgery& forgery : forgeries) {
    INFO(forgery.what);
    auto links = story();
    forgery.forge(links);
    const Finding found = check(numbered(links));
    REQUIRE_FALSE(found.broken.empty());
    INFO(found.broken.front());
    CHECK(mentions(found.broken.front(), "web1: its start on "));
    CHECK(mentions(found.broken.front(), forgery.said));
  }
}

TEST_CASE("one break is told once, and of each start that stands on it") {
  auto links = story();
  links[4].handover->evidence.reset();
  links.insert(links.begin() + 6, links[5]);  // its QEMU was started again
  CHECK(check(numbered(links)).broken.size() == 2);
  links.erase(links.begin() + 5, links.begin() + 7);  // never started: the next owner's start stands on it too
  const Finding found = check(numbered(links));
  REQUIRE(found.broken.size() == 1);
  CHECK(mentions(found.broken.front(), "its start on n1 (boot boot-1b, incarnation 3) at generation 4"));
}

TEST_CASE("a break that nothing was started on is told as well") {
  auto links = story();
  links.resize(5);
  links[4].handover->evidence.reset();
  const Finding found = check(numbered(links));
  REQUIRE(found.broken.size() == 1);
  CHECK(mentions(found.broken.front(), "nothing has been started on the strength of it yet"));
}

TEST_CASE("a link that cannot be read proves nothing") {
  VmHistory history = numbered(story());
  history.links[6] = {6, std::nullopt, "key 'epoch' is missing"};
  const Finding found = check(history);
  REQUIRE(found.broken.size() == 1);
  CHECK(mentions(found.broken.front(), "link 6 of its history cannot be read: key 'epoch' is missing"));
}

// ------------------------------------------------------------------------------------------------ what the logic
// writes

namespace {

using logic::test::web;

void append(std::vector<LinkRecord>& to, const Changes& changes) {
  for (const Change& change : changes)
    if (const auto* one = std::get_if<Append>(&change); one && one->kind == Kind::Link) {
      CHECK(one->parent == web);
      to.push_back(std::get<LinkRecord>(one->record));
    }
}

void append(std::vector<LinkRecord>& to, logic::test::Agent& agent) {
  REQUIRE(agent.plans<logic::WriteRun>());
  append(to, logic::transaction_of(*agent.plans<logic::WriteRun>(), web));
  agent.written();
}

void assign(std::vector<LinkRecord>& to, logic::test::World& world) {
  logic::test::Coordinator primary{world};
  primary.round();
  const auto* act = primary.with_key<logic::AssignVm>("assign/" + web);
  REQUIRE(act);
  append(to, *logic::transaction_of(logic::CoordinatorAct{*act}, world.view));
  world.view.owners[web] = {act->record, 50};
}

}  // namespace

TEST_CASE("what is assigned, started, adopted again and released is a history that holds") {
  std::vector<LinkRecord> links;
  logic::test::Agent agent;
  agent.world.vm(web).home = "n2";
  assign(links, agent.world);
  agent.round().gone().proceed().created().identified();
  append(links, agent);
  agent.resumed();
  CHECK(agent.plans<logic::WriteRun>()->link == std::nullopt);  // running is no new start
  agent.written();
  agent.world.join("n2", 1, 2);
  agent.round();
  append(links, agent);
  agent.found(DomainState::Running);
  SECTION("after a release") {
    agent.world.vm(web).wanted = WantedState::Stopped;
    agent.world.vm(web).off_at_once = true;
    agent.round();
    while (!agent.plans<logic::WriteRun>() || !agent.plans<logic::WriteRun>()->link) {
      REQUIRE_FALSE(agent.idle());
      if (agent.plans<logic::Probe>())
        agent.gone();
      else
        agent.act_done();
    }
    append(links, agent);
    agent.world.vm(web).wanted = WantedState::Running;
  }
  SECTION("after evidence") { agent.world.prove("n2").epoch = 7; }
  agent.world.vm(web).home = "n3";
  assign(links, agent.world);
  const Finding found = check(numbered(links));
  CHECK(found.broken == std::vector<std::string>{});
  CHECK(found.starts == 1);
  CHECK(links.back().handover);
  CHECK(links.back().handover->evidence.has_value() == (links.size() == 4));
}
