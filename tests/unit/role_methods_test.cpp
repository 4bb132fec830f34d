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

class Observer : public Plugin {
  void start(Host&) override {}
};

std::string call(Plugin& plugin, const std::string& name, const std::string& request) {
  for (const RoleMethod& method : host::role_methods(plugin)) {
    if (method.name != name) continue;
    auto prepared = method.prepare(request);
    if (const auto* invalid = std::get_if<host::InvalidRequest>(&prepared)) return "invalid: " + invalid->text;
    return std::get<host::Work>(prepared)();
  }
  return "no such method";
}

Answer power(Power& plugin, const NodeName& node, Instant not_after) {
  PowerRequest request;
  request.permit.not_after = not_after;
  request.node = node;
  return std::get<Answer>(runtime::decode<Answer>(call(plugin, "Power", runtime::encode(request))));
}

}  // namespace

TEST_CASE("a plugin has the methods of the roles it fills, and no others") {
  Power plugin;
  std::string names;
  for (const RoleMethod& method : host::role_methods(plugin))
    names += std::string(method.interface) + "." + method.name + " ";
  CHECK(names == "org.pvcd1.plugin.Fencer.Read org.pvcd1.plugin.Fencer.Power org.pvcd1.plugin.RoleHook.RoleChange ");
  Observer observer;
  CHECK(host::role_methods(observer).empty());
}

TEST_CASE("a request goes to the plugin and its answer back") {
  Power plugin;
  CHECK(call(plugin, "Read", R"({"node":"n1","system_uuid":""})") == R"({"guid":"guid of n1","note":"","state":"on"})");
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

TEST_CASE("the permit is judged when the request is taken up, not when it came") {
  Power plugin;
  PowerRequest request;
  request.permit.not_after = runtime::boottime_us() + milliseconds(30);
  for (const RoleMethod& method : host::role_methods(plugin)) {
    if (method.name != std::string("Power")) continue;
    const auto prepared = method.prepare(runtime::encode(request));
    while (runtime::boottime_us() <= request.permit.not_after) {
    }
    CHECK_THAT(std::get<host::Work>(prepared)(), Catch::Contains("too late"));
  }
  CHECK(plugin.acts == 0);
}

TEST_CASE("what a plugin throws is Unknown with its text") {
  Power plugin;
  const Answer answer = power(plugin, "broken", runtime::boottime_us() + seconds(60));
  CHECK(answer.outcome == Outcome::Unknown);
  CHECK(answer.note == "cable out");
}
