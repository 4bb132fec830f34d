#include "logic/role.hpp"

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace pvcd;
using namespace pvcd::logic;
using test::World;

namespace {

using State = CoordinatorState;

// n1, which was just made primary at epoch 7, with one role hook. What it shows is on record in the next round.
struct Holder {
  World world;
  RoleSettings settings{{"address"}, true, seconds(10)};
  RoleMemory memory;
  bool may_act = true;
  bool leave = false;
  Instant now = seconds(100);
  std::vector<RoleHookAnswered> answers;
  std::optional<bool> vacated;
  RolePlan plan;

  Holder& round() {
    plan = decide_role(
        {world.view, world.life("n1"), may_act, leave, now, std::exchange(answers, {}), std::exchange(vacated, {})},
        settings, memory);
    memory = plan.next;
    return *this;
  }
  Holder& wait(Microseconds time) {
    now += time;
    return round();
  }
  Holder& recorded() {
    world.view.roles["n1"] = {plan.shown, 1};
    return round();
  }
  Holder& answer(bool acknowledged, const std::string& hook = "address") {
    answers.push_back({hook, memory.change, acknowledged});
    return round();
  }
  Holder& tried_to_vacate(bool done) {
    vacated = done;
    return round();
  }
  State shows() const { return plan.shown.state; }
  std::vector<std::string> asked() const {
    std::vector<std::string> names;
    for (const AskRoleHook& each : plan.ask)
      names.push_back(each.hook + (each.state == State::Takeover ? " takeover " : " relinquish ") +
                      std::to_string(each.epoch));
    return names;
  }
};

// It serves: its hook has acknowledged.
struct Serving : Holder {
  Serving() { round().recorded().answer(true).recorded(); }
};

using Asked = std::vector<std::string>;

}  // namespace

TEST_CASE("a takeover is on record before its hooks are asked, and ends when all have acknowledged") {
  Holder it;
  it.settings.hooks = {"address", "routes"};
  it.round();
  CHECK(it.plan.shown == RoleRecord{State::Takeover, 7});
  CHECK(it.asked().empty());
  it.world.view.roles["n1"] = {RoleRecord{State::Takeover, 6}, 1};
  CHECK(it.round().asked().empty());
  it.recorded();
  CHECK(it.asked() == Asked{"address takeover 7", "routes takeover 7"});
  CHECK(it.round().asked().empty());
  CHECK(it.answer(true, "routes").shows() == State::Takeover);
  CHECK(it.answer(true).plan.shown == RoleRecord{State::Primary, 7});
  CHECK(it.recorded().asked().empty());
  CHECK_FALSE(it.plan.vacate);
}

TEST_CASE("without role hooks a takeover is over at once") {
  Holder it;
  it.settings.hooks.clear();
  CHECK(it.round().shows() == State::Primary);
}

TEST_CASE("a hook that does not acknowledge a takeover is asked again") {
  Holder it;
  it.round().recorded().answer(false);
  CHECK(it.shows() == State::Takeover);
  CHECK(it.asked().empty());
  CHECK(it.wait(role_hook_interval - 1).asked().empty());
  CHECK(it.wait(1).asked() == Asked{"address takeover 7"});
}

TEST_CASE("an answer to an earlier change of the role, or of a hook that was not asked, counts for nothing") {
  Holder it;
  it.round().recorded();
  it.answers.push_back({"address", it.memory.change - 1, true});
  CHECK(it.round().shows() == State::Takeover);
  CHECK(it.answer(true, "routes").shows() == State::Takeover);
}

TEST_CASE("whoever is not primary shows what it is, and asks nobody") {
  Holder it;
  it.world.lead("n2");
  SECTION("a coordinator") { CHECK(it.round().shows() == State::Secondary); }
  SECTION("a host that is none") {
    it.settings.is_coordinator = false;
    CHECK(it.round().shows() == State::Client);
  }
  SECTION("an older incarnation of the holder") {
    it.world.lead("n1").join("n1", 1, 2);
    CHECK(it.round().shows() == State::Secondary);
  }
  CHECK(it.asked().empty());
  CHECK(is_free_of_role(it.memory, is_primary(it.world.view, it.world.life("n1"))));
}

TEST_CASE("a primary that is no coordinator any more shows its role as long as it has it") {
  Serving it;
  it.settings.is_coordinator = false;
  CHECK(it.round().shows() == State::Primary);
}

TEST_CASE("nothing is taken over without the right to act, or on a view that is not whole") {
  Holder it;
  SECTION("no right") { it.may_act = false; }
  SECTION("no view yet") { it.world.view.complete = false; }
  CHECK(it.round().shows() == State::Secondary);
}

TEST_CASE("the hooks let go of a role that is lost, and are asked until they do") {
  Serving it;
  CHECK_FALSE(has_let_go(it.memory));
  SECTION("to another node") { it.world.lead("n2", 8); }
  SECTION("its proof is too old to act on (rule 5)") { it.may_act = false; }
  SECTION("its view has not been whole for so long that others may claim (rule 10)") {
    it.world.view.complete = false;
    CHECK(it.wait(seconds(10)).shows() == State::Primary);
    it.now += 1;
  }
  it.round();
  CHECK(it.plan.shown == RoleRecord{State::Relinquish, 7});
  CHECK(it.asked() == Asked{"address relinquish 7"});
  CHECK_FALSE(has_let_go(it.memory));
  CHECK_FALSE(is_free_of_role(it.memory, false));
  CHECK(it.answer(false).shows() == State::Relinquish);
  CHECK(it.wait(role_hook_interval).asked() == Asked{"address relinquish 7"});
  CHECK(it.answer(true).plan.shown == RoleRecord{State::Secondary, 7});
  CHECK(has_let_go(it.memory));
  CHECK_FALSE(it.plan.vacate);
}

TEST_CASE("a role that is still this node's is taken over again when it may act again") {
  Serving it;
  it.may_act = false;
  it.round().answer(true);
  CHECK(it.shows() == State::Secondary);
  it.may_act = true;
  CHECK(it.round().plan.shown == RoleRecord{State::Takeover, 7});
}

TEST_CASE("a newer epoch of this node's own is a takeover of its own: hooks are asked with it") {
  Serving it;
  it.world.lead("n1", 9);
  it.round();
  CHECK(it.plan.shown == RoleRecord{State::Takeover, 9});
  CHECK(it.recorded().asked() == Asked{"address takeover 9"});
}

TEST_CASE("a newer epoch while the hooks let go of the former one") {
  Serving it;
  it.may_act = false;
  it.round();
  it.may_act = true;
  SECTION("the same epoch goes on letting go first") { CHECK(it.round().shows() == State::Relinquish); }
  SECTION("a newer one is taken over at once") {
    it.world.lead("n1", 9);
    CHECK(it.round().plan.shown == RoleRecord{State::Takeover, 9});
  }
}

TEST_CASE("who leaves lets go of its service, then gives the role back, and is free when the store says so") {
  Serving it;
  it.leave = true;
  it.round();
  CHECK(it.shows() == State::Relinquish);
  CHECK_FALSE(it.plan.vacate);
  CHECK_FALSE(is_free_of_role(it.memory, true));
  it.answer(true);
  CHECK(it.plan.vacate);
  CHECK(it.shows() == State::Relinquish);
  CHECK_FALSE(it.round().plan.vacate);
  SECTION("it is given back") {
    it.world.vacate(8);
    it.tried_to_vacate(true);
    CHECK(it.shows() == State::Secondary);
    CHECK(is_free_of_role(it.memory, false));
  }
  SECTION("the view does not show it yet") {
    CHECK_FALSE(it.tried_to_vacate(true).plan.vacate);
    CHECK(it.wait(vacate_interval).plan.vacate);
    CHECK(it.memory.vacates_failed == 0);
  }
  SECTION("it takes its time: one try at a time") { CHECK_FALSE(it.wait(seconds(60)).plan.vacate); }
  SECTION("nobody takes it: it is tried again, and leaving does not wait for ever") {
    for (std::uint32_t tries = 0; tries < vacate_tries_max; ++tries) {
      CHECK_FALSE(is_free_of_role(it.memory, true));
      CHECK_FALSE(it.tried_to_vacate(false).plan.vacate);
      CHECK(it.wait(vacate_interval).plan.vacate);
    }
    CHECK(is_free_of_role(it.memory, true));
  }
}

TEST_CASE("a hook that does not let go cannot keep a daemon from leaving") {
  Serving it;
  it.leave = true;
  it.round().answer(false);
  CHECK(has_let_go(it.memory));
  CHECK(it.plan.vacate);
}

TEST_CASE("who leaves in the midst of a takeover lets go of what was begun") {
  Holder it;
  it.round().recorded();
  REQUIRE(it.asked() == Asked{"address takeover 7"});
  it.leave = true;
  CHECK(it.round().asked() == Asked{"address relinquish 7"});
}

TEST_CASE("who leaves and finds itself primary, without any right to act, gives the role back") {
  Holder it;
  it.may_act = false;
  it.leave = true;
  it.round();
  CHECK(it.shows() == State::Relinquish);
  CHECK(it.asked() == Asked{"address relinquish 7"});
  CHECK(it.answer(true).plan.vacate);
}

TEST_CASE("a daemon that ended as primary without a word has its hooks let go of the service") {
  Holder it;
  it.world.view.roles["n1"] = {RoleRecord{GENERATE(State::Takeover, State::Primary, State::Relinquish), 6}, 1};
  SECTION("when another node is primary by now") {
    it.world.lead("n2", 8);
    it.round();
    CHECK(it.plan.shown == RoleRecord{State::Relinquish, 8});
    CHECK(it.asked() == Asked{"address relinquish 8"});
  }
  SECTION("when the store has never had a primary") {
    it.world.view.leader.reset();
    CHECK(it.round().plan.shown == RoleRecord{State::Relinquish, 0});
  }
  SECTION("when it is primary still and may not act") {
    it.may_act = false;
    CHECK(it.round().shows() == State::Relinquish);
  }
  SECTION("not when it is primary still: the takeover asks them") { CHECK(it.round().shows() == State::Takeover); }
  SECTION("not before its view is whole") {
    it.world.lead("n2", 8);
    it.world.view.complete = false;
    CHECK(it.round().shows() == State::Secondary);
    it.world.view.complete = true;
    CHECK(it.round().shows() == State::Relinquish);
    CHECK(it.answer(true).shows() == State::Secondary);
    CHECK(it.round().asked().empty());  // said once
  }
}

TEST_CASE("a daemon that ended as secondary has nothing to let go of") {
  Holder it;
  it.world.lead("n2", 8);
  it.world.view.roles["n1"] = {RoleRecord{State::Secondary, 6}, 1};
  CHECK(it.round().shows() == State::Secondary);
}
