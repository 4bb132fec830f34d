#include "sdk/join.hpp"

#include <catch2/catch.hpp>

namespace pvcd::keepalive {
namespace {

constexpr std::uint64_t own_session = 77;

OwnFacts self() {
  OwnFacts facts;
  facts.node.name = "n1";
  facts.node.machine_id = "machine-1";
  facts.node.system_uuid = "uuid-1";
  facts.node.boot = "boot-2";
  facts.session = own_session;
  facts.session_timeout_wanted = facts.session_timeout_granted = seconds(6);
  return facts;
}

// n1 was incarnation 4 in `boot`.
ClusterLook known(const BootId& boot) {
  ClusterLook look;
  NodeRecord node = self().node;
  node.boot = boot;
  node.incarnation = 4;
  look.nodes["n1"] = {node, 9};
  return look;
}

ClusterLook fenced(const BootId& victim_boot, FencePhase phase) {
  ClusterLook look = known(victim_boot);
  FenceRecord fence;
  fence.victim = {"n1", victim_boot, 4};
  fence.phase = phase;
  fence.by = "n2";
  look.fence = {fence, 3};
  return look;
}

template <class Wanted>
const Wanted* find(const Changes& changes, const Key& key) {
  for (const auto& change : changes)
    if (auto* found = std::get_if<Wanted>(&change); found && found->key == key) return found;
  return nullptr;
}

const Key node_key{Kind::Node, "n1"};
const Key fence_key{Kind::Fence, "n1"};

Join joined(const ClusterLook& look, const OwnFacts& facts = self()) {
  auto decision = decide_join(look, facts);
  REQUIRE(std::holds_alternative<Join>(decision));
  return std::get<Join>(decision);
}

bool waits(const ClusterLook& look) { return std::holds_alternative<Wait>(decide_join(look, self())); }

std::string refusal(const ClusterLook& look, const OwnFacts& facts = self()) {
  auto decision = decide_join(look, facts);
  REQUIRE(std::holds_alternative<Refuse>(decision));
  return std::get<Refuse>(decision).reason;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a node that nobody knows creates its record and its first incarnation", "[keepalive]") {
  const auto join = joined({});
  CHECK(join.incarnation == 1);
  const auto* node = find<Put>(join.changes, node_key);
  REQUIRE(node);
  CHECK_FALSE(node->replaces);
  CHECK(std::get<NodeRecord>(node->record).incarnation == 1);
  const auto* live = find<Put>(join.changes, live_key("n1", 1));
  REQUIRE(live);
  CHECK_FALSE(live->replaces);
  const auto record = std::get<LiveRecord>(live->record);
  CHECK(record.counter == 0);
  CHECK(record.daemon_state == DaemonState::Init);
  const auto* session = find<Put>(join.changes, session_key("n1", 1));
  REQUIRE(session);
  CHECK_FALSE(session->replaces);
}

TEST_CASE("a known node joins as the next incarnation, at the version that was read", "[keepalive]") {
  for (const BootId boot : {"boot-1", "boot-2"}) {
    const auto join = joined(known(boot));
    CHECK(join.incarnation == 5);
    const auto* node = find<Put>(join.changes, node_key);
    REQUIRE(node);
    CHECK(node->replaces == 9);
    CHECK(std::get<NodeRecord>(node->record).boot == "boot-2");
    CHECK(find<Put>(join.changes, session_key("n1", 5)));
  }
}

TEST_CASE("who left and starts again in the same boot has left until it runs", "[keepalive]") {
  const auto first_word = [](const BootId& boot, DaemonState last) {
    ClusterLook look = known(boot);
    look.live.emplace();
    look.live->boot = boot;
    look.live->daemon_state = last;
    const auto join = joined(look);
    CHECK(std::get<LiveRecord>(find<Put>(join.changes, live_key("n1", 5))->record).daemon_state == join.word);
    return join.word;
  };
  CHECK(first_word("boot-2", DaemonState::Left) == DaemonState::Left);
  CHECK(first_word("boot-2", DaemonState::Stop) == DaemonState::Stop);
  CHECK(first_word("boot-2", DaemonState::Run) == DaemonState::Init);
  CHECK(first_word("boot-1", DaemonState::Left) == DaemonState::Init);
}

TEST_CASE("a join shows in its transaction that there is neither fence nor evidence", "[keepalive]") {
  const auto join = joined(known("boot-1"));
  CHECK(find<Absent>(join.changes, fence_key));
  CHECK(find<Absent>(join.changes, {Kind::Evidence, "boot-2"}));
}

TEST_CASE("an own session that still lives is resumed", "[keepalive]") {
  auto look = known("boot-2");
  look.session_owner = own_session;
  LiveRecord live;
  live.incarnation = 4;
  live.counter = 12;
  look.live = live;

  SECTION("as it is") {
    const auto decision = decide_join(look, self());
    REQUIRE(std::holds_alternative<Resume>(decision));
    CHECK(std::get<Resume>(decision).live.counter == 12);
    CHECK(std::get<Resume>(decision).changes.empty());
  }
  SECTION("with the node record brought up to date") {
    auto facts = self();
    facts.node.addresses = {"10.0.0.9"};
    const auto decision = decide_join(look, facts);
    REQUIRE(std::holds_alternative<Resume>(decision));
    const auto* node = find<Put>(std::get<Resume>(decision).changes, node_key);
    REQUIRE(node);
    CHECK(node->replaces == 9);
    const auto record = std::get<NodeRecord>(node->record);
    CHECK(record.incarnation == 4);
    CHECK(record.addresses == facts.node.addresses);
  }
  SECTION("also while a fence waits for it to die") {
    look.fence = fenced("boot-2", FencePhase::Acting).fence;
    CHECK(std::holds_alternative<Resume>(decide_join(look, self())));
  }
  SECTION("not when it is somebody else's") {
    look.session_owner = own_session + 1;
    CHECK(joined(look).incarnation == 5);
  }
  SECTION("not without its last word") {
    look.live.reset();
    CHECK(joined(look).incarnation == 5);
  }
  SECTION("not against evidence") {
    look.evidence = true;
    CHECK(contains(refusal(look), "reboot"));
  }
}

TEST_CASE("a fence that has not begun is cancelled by the join", "[keepalive]") {
  for (const BootId boot : {"boot-1", "boot-2"}) {
    const auto join = joined(fenced(boot, FencePhase::Intent));
    const auto* removed = find<Remove>(join.changes, fence_key);
    REQUIRE(removed);
    CHECK(removed->version == 3);
    CHECK_FALSE(find<Absent>(join.changes, fence_key));
  }
}

TEST_CASE("a fence that may have sent off stops the same boot, not a later one", "[keepalive]") {
  CHECK(waits(fenced("boot-2", FencePhase::Acting)));
  const auto join = joined(fenced("boot-1", FencePhase::Acting));
  const auto* checked = find<Check>(join.changes, fence_key);
  REQUIRE(checked);
  CHECK(checked->version == 3);
}

TEST_CASE("a boot that was declared dead cannot join, a later one can", "[keepalive]") {
  CHECK(contains(refusal(fenced("boot-2", FencePhase::Confirmed)), "reboot"));
  joined(fenced("boot-1", FencePhase::Confirmed));
  auto look = known("boot-2");
  look.evidence = true;
  CHECK(contains(refusal(look), "boot-2"));
}

TEST_CASE("while another boot under this name has a session, this one waits", "[keepalive]") {
  auto look = known("boot-1");
  look.session_owner = 12;
  CHECK(waits(look));
  look.session_owner = 0;
  joined(look);
}

TEST_CASE("a second machine under a known name is refused", "[keepalive]") {
  auto other_machine = self();
  other_machine.node.machine_id = "machine-9";
  CHECK(contains(refusal(known("boot-1"), other_machine), "machine-9"));
  auto other_board = self();
  other_board.node.system_uuid = "uuid-9";
  CHECK(contains(refusal(known("boot-1"), other_board), "uuid-9"));
}

TEST_CASE("a record that does not say which machine it is of is that of this one") {
  auto look = known("boot-1");
  look.nodes.at("n1").value.machine_id = look.nodes.at("n1").value.system_uuid = "";
  CHECK(joined(look).incarnation == 5);
}

TEST_CASE("in the boot that is recorded it is one machine, whose system UUID may be set right", "[keepalive]") {
  auto corrected = self();
  corrected.node.system_uuid = "uuid-of-its-bmc";
  auto look = known("boot-2");
  look.session_owner = own_session;
  look.live = LiveRecord{};
  const auto decision = decide_join(look, corrected);
  REQUIRE(std::holds_alternative<Resume>(decision));
  const auto& changes = std::get<Resume>(decision).changes;
  REQUIRE(changes.size() == 2);
  CHECK(std::get<NodeRecord>(std::get<Put>(changes[1]).record).system_uuid == "uuid-of-its-bmc");
  corrected.node.machine_id = "machine-9";
  CHECK(contains(refusal(look, corrected), "machine-9"));
}

TEST_CASE("a machine that is known under another name is refused", "[keepalive]") {
  ClusterLook look;
  NodeRecord other;
  other.name = "n7";

  other.machine_id = "machine-1";
  look.nodes["n7"] = {other, 0};
  CHECK(contains(refusal(look), "n7"));

  other.machine_id = "machine-7";
  other.system_uuid = "uuid-1";
  look.nodes["n7"] = {other, 0};
  CHECK(contains(refusal(look), "n7"));

  other.system_uuid = "";
  look.nodes["n7"] = {other, 0};
  auto without_uuid = self();
  without_uuid.node.system_uuid = "";
  joined(look, without_uuid);
}

TEST_CASE("a session timeout lower than configured is refused, naming both", "[keepalive]") {
  auto facts = self();
  facts.session_timeout_granted = seconds(4);
  const auto reason = refusal({}, facts);
  CHECK(contains(reason, "4000 ms"));
  CHECK(contains(reason, "6000 ms"));
  facts.session_timeout_granted = seconds(8);
  joined({}, facts);
}

TEST_CASE("live entries are told apart by node, dots and all", "[keepalive]") {
  CHECK(incarnation_of("n1.12", "n1") == Incarnation{12});
  CHECK_FALSE(incarnation_of("n1.b.12", "n1"));
  CHECK(incarnation_of("n1.b.12", "n1.b") == Incarnation{12});
  CHECK_FALSE(incarnation_of("n10.12", "n1"));
  CHECK_FALSE(incarnation_of("n1.12x", "n1"));
  CHECK_FALSE(incarnation_of("n1.", "n1"));
}

}  // namespace pvcd::keepalive
