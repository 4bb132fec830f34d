#include "host/role_methods.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "runtime/clock.hpp"
#include "runtime/wire.hpp"
#include "sdk/roles.hpp"

using namespace pvcd;
using host::RoleMethod;

namespace {

class Power : public Plugin, public Fencer, public RoleHook {
 public:
  void start(Host&) override {}
  PowerReading read(const ReadRequest& request) override { return {PowerState::On, "guid of " + request.node, ""}; }
  Answer power(const PowerRequest& request) override {
    ++acts;
    if (request.node == "broken") throw Error("cable out");
    return {Outcome::Done, ""};
  }
  Answer role_change(const RoleChange&) override { return {Outcome::Done, ""}; }

  int acts = 0;
};

class Locks : public Power, public PreStartHook {
 public:
  HookVerdict before_start(const VmStart&) override {
    ++acts;
    HookVerdict verdict;
    verdict.verdict = Verdict::Proceed;
    return verdict;
  }
  Identified identify(const ImagesRequest&) override { return {}; }
  Answer after_stop(const VmStopped&) override { return ++acts, Answer{Outcome::Done, ""}; }
};

class Observer : public Plugin {
  void start(Host&) override {}
};

std::variant<host::Call, host::InvalidRequest> prepare(Plugin& plugin, host::NewestEpochs& newest,
                                                       const std::string& name, const std::string& request) {
  for (const RoleMethod& method : host::role_methods(plugin, "tested", newest))
    if (method.name == name) return method.prepare(request);
  return host::InvalidRequest{"no such method"};
}

std::string call(Plugin& plugin, const std::string& name, const std::string& request) {
  host::NewestEpochs newest;
  auto prepared = prepare(plugin, newest, name, request);
  if (const auto* invalid = std::get_if<host::InvalidRequest>(&prepared)) return "invalid: " + invalid->text;
  return std::get<host::Call>(prepared).work();
}

std::string power_request(const NodeName& node, Instant not_after, Epoch epoch = 1) {
  PowerRequest request;
  request.permit = {not_after, epoch};
  request.node = node;
  return runtime::encode(request);
}

std::string read_request(const NodeName& node, Instant not_after) {
  return runtime::encode(ReadRequest{{not_after, 1}, node, {}, {}});
}

Answer power(Power& plugin, const NodeName& node, Instant not_after) {
  return std::get<Answer>(runtime::decode<Answer>(call(plugin, "Power", power_request(node, not_after))));
}

}  // namespace

TEST_CASE("a plugin has the methods of the roles it fills, and no others") {
  Power plugin;
  host::NewestEpochs newest;
  std::string names;
  for (const RoleMethod& method : host::role_methods(plugin, "tested", newest))
    names += std::string(method.interface) + "." + method.name + " ";
  CHECK(names == "org.pvcd1.plugin.Fencer.Read org.pvcd1.plugin.Fencer.Power org.pvcd1.plugin.RoleHook.RoleChange ");
  Observer observer;
  CHECK(host::role_methods(observer, "tested", newest).empty());
}

TEST_CASE("a request goes to the plugin and its answer back") {
  Power plugin;
  CHECK(call(plugin, "Read", read_request("n1", runtime::boottime_us() + seconds(60))) ==
        R"({"guid":"guid of n1","note":"","state":"on"})");
}

TEST_CASE("what cannot be read never reaches the plugin") {
  Power plugin;
  CHECK_THAT(call(plugin, "Power", "{}"), Catch::StartsWith("invalid: permit: missing"));
  CHECK(plugin.acts == 0);
}

TEST_CASE("an act whose permit ended is Unknown and not done; in time it is done") {
  Power plugin;
  const Answer late = power(plugin, "n1", runtime::boottime_us() - 1);
  CHECK(late.outcome == Outcome::Unknown);
  CHECK_THAT(late.note, Catch::Contains("too late"));
  CHECK(power(plugin, "n1", 0).outcome == Outcome::Unknown);
  CHECK(plugin.acts == 0);

  CHECK(power(plugin, "n1", runtime::boottime_us() + seconds(60)).outcome == Outcome::Done);
  CHECK(plugin.acts == 1);
}

TEST_CASE("nobody looks for a core that has stopped waiting for it") {
  Power plugin;
  CHECK_THAT(call(plugin, "Read", read_request("n1", runtime::boottime_us() - 1)), Catch::Contains("too late"));
}

TEST_CASE("the permit is judged when the request is taken up, not when it came") {
  Power plugin;
  host::NewestEpochs newest;
  const Instant not_after = runtime::boottime_us() + milliseconds(30);
  const auto prepared = prepare(plugin, newest, "Power", power_request("n1", not_after));
  while (runtime::boottime_us() <= not_after) {
  }
  CHECK_THAT(std::get<host::Call>(prepared).work(), Catch::Contains("too late"));
  CHECK(plugin.acts == 0);
}

TEST_CASE("what a plugin throws is Unknown with its text") {
  Power plugin;
  const Answer answer = power(plugin, "broken", runtime::boottime_us() + seconds(60));
  CHECK(answer.outcome == Outcome::Unknown);
  CHECK(answer.note == "cable out");
}

TEST_CASE("what fences or breaks locks is refused when a request of a newer primary has been heard") {
  Locks plugin;
  host::NewestEpochs newest;
  const Instant limit = runtime::boottime_us() + seconds(60);
  const auto ask = [&](const std::string& name, const auto& request) {
    return std::get<host::Call>(prepare(plugin, newest, name, runtime::encode(request))).work();
  };
  PowerRequest off;
  VmStart start;
  VmStopped stopped;
  off.permit = start.permit = stopped.permit = {limit, 7};
  CHECK_THAT(ask("Power", off), Catch::Contains("done"));
  CHECK_THAT(ask("BeforeStart", start), Catch::Contains("proceed"));
  CHECK_THAT(ask("AfterStop", stopped), Catch::Contains("done"));
  REQUIRE(plugin.acts == 3);

  const auto waiting = prepare(plugin, newest, "Power", runtime::encode(off));
  const std::string by = GENERATE("Power", "BeforeStart", "AfterStop");
  PowerRequest newer_off = off;
  VmStart newer_start = start;
  VmStopped newer_stopped = stopped;
  newer_off.permit.epoch = newer_start.permit.epoch = newer_stopped.permit.epoch = 8;
  if (by == "Power") ask("Power", newer_off);
  if (by == "BeforeStart") ask("BeforeStart", newer_start);
  if (by == "AfterStop") ask("AfterStop", newer_stopped);
  REQUIRE(plugin.acts == 4);

  CHECK_THAT(std::get<host::Call>(waiting).work(), Catch::Contains("refused") && Catch::Contains("epoch 7 is over"));
  CHECK_THAT(ask("Power", off), Catch::Contains("refused"));
  CHECK_THAT(ask("BeforeStart", start), Catch::Contains("refuse") && Catch::Contains("epoch 7 is over"));
  CHECK_THAT(ask("AfterStop", stopped), Catch::Contains("refused"));
  CHECK(plugin.acts == 4);
  CHECK_THAT(ask("Power", newer_off), Catch::Contains("done"));
}

TEST_CASE("a change of the role is refused after that of a newer epoch, and whatever epoch is acted for is no matter") {
  Locks plugin;
  host::NewestEpochs newest;
  const Instant limit = runtime::boottime_us() + seconds(60);
  const auto prepared = [&](Epoch epoch, CoordinatorState state) {
    const std::string request = runtime::encode(RoleChange{{limit, epoch}, state});
    return std::get<host::Call>(prepare(plugin, newest, "RoleChange", request));
  };
  CHECK_THAT(prepared(3, CoordinatorState::Takeover).work(), Catch::Contains("done"));
  VmStart start;
  start.permit = {limit, 4};
  std::get<host::Call>(prepare(plugin, newest, "BeforeStart", runtime::encode(start))).work();
  CHECK_THAT(prepared(3, CoordinatorState::Relinquish).work(), Catch::Contains("done"));

  const host::Call waiting = prepared(3, CoordinatorState::Takeover);
  CHECK_THAT(prepared(5, CoordinatorState::Takeover).work(), Catch::Contains("done"));
  CHECK_THAT(waiting.work(), Catch::Contains("refused") && Catch::Contains("epoch 3 is over"));
  CHECK_THAT(prepared(3, CoordinatorState::Relinquish).work(), Catch::Contains("epoch 3 is over"));
  CHECK_THAT(prepared(5, CoordinatorState::Relinquish).work(), Catch::Contains("done"));
}

TEST_CASE("a takeover that comes late does not reach the plugin") {
  Power plugin;
  const RoleChange late{{runtime::boottime_us() - 1, 3}, CoordinatorState::Takeover};
  CHECK_THAT(call(plugin, "RoleChange", runtime::encode(late)), Catch::Contains("too late"));
}

TEST_CASE("calls about a node have a lane of their own and a name; all others come on the plugin's thread") {
  Power plugin;
  host::NewestEpochs newest;
  const auto off = std::get<host::Call>(prepare(plugin, newest, "Power", power_request("n2", 0)));
  CHECK(off.lane == "n2");
  CHECK(off.what == "Power n2");
  const auto read = std::get<host::Call>(prepare(plugin, newest, "Read", read_request("n2", 0)));
  CHECK(read.lane == "n2");
  CHECK(read.what == "Read n2");
  const auto change = std::get<host::Call>(prepare(plugin, newest, "RoleChange", runtime::encode(RoleChange{})));
  CHECK(change.lane.empty());
  CHECK(change.what == "RoleChange");
}
