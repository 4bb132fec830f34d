// Servers whose disks were put back or lost, and what must not be mistaken for that.
#include <algorithm>
#include <filesystem>
#include <iterator>

#include "backend_zookeeper.hpp"
#include "own_server.hpp"
#include "store/request.hpp"
#include "store/zookeeper_probe.hpp"

using namespace pvcd;
using namespace pvcd::store;
using namespace pvcd::store::test;

namespace {

constexpr Microseconds own_session_timeout = seconds(3);
constexpr Microseconds short_timeout = seconds(1);

constexpr Microseconds impatience = milliseconds(100);  // enough for a connection, which then waits for its session

// Sessions that begin and end are transactions, too: without a distance, the older data soon have as many.
constexpr int many_writes = 100;

// A client of one server alone, which records what it is warned of.
struct Bystander {
  ZookeeperBackend backend;
  std::vector<std::string> warnings;
  std::unique_ptr<Client> client;

  explicit Bystander(const std::vector<std::string>& servers, Microseconds timeout = own_session_timeout) {
    auto options = backend.options();
    options.servers = servers;
    options.session_timeout = timeout;
    options.warn = [this](const std::string& what) { warnings.push_back(what); };
    client = backend.open_direct(options);
    REQUIRE(connects());
  }

  bool is(SessionState state) const { return client->store->state() == state; }
  bool connects() {
    return backend.until([&] { return is(SessionState::Connected); });
  }
  bool loses_connection() {
    return backend.until([&] { return is(SessionState::Connecting); });
  }
  bool expired() const { return std::count(client->states.begin(), client->states.end(), SessionState::Expired) != 0; }
  bool passes(Microseconds time) {
    return !backend.until([] { return false; }, time);
  }
};

// Nobody listens there: a server whose process is not running.
std::string silent_address() { return "127.0.0.2:1"; }

std::ptrdiff_t open_files() {
  std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

std::ptrdiff_t sessions_at(const OwnServer& server) {
  const auto dump = answer_of(server.port(), "dump");
  const auto sessions = dump.substr(0, dump.find("ephemeral nodes dump"));
  std::ptrdiff_t count = 0;
  for (auto place = sessions.find("0x"); place != std::string::npos; place = sessions.find("0x", place + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("Servers whose disks were restored from an older copy: a new session, which sees what they have") {
  OwnServer server;
  Bystander one({silent_address(), server.address()});
  ZookeeperBackend& backend = one.backend;
  const std::vector<std::string>& warnings = one.warnings;
  std::unique_ptr<Client>& client = one.client;
  REQUIRE(backend.commit(*client, {Create{"/vms/a", "old"}}).code == CommitCode::Ok);
  server.stop();
  REQUIRE(one.loses_connection());
  server.save_disk();
  server.start();
  REQUIRE(one.connects());
  REQUIRE(backend.commit(*client, {Create{"/vms/b", ""}}).code == CommitCode::Ok);
  for (int round = 0; round < many_writes; ++round)
    REQUIRE(backend.commit(*client, {Set{"/vms/a", "new"}}).code == CommitCode::Ok);
  bool fired = false;
  client->store->get("/vms/a", {}, [&] { fired = true; });
  REQUIRE(backend.sync(*client) == ReadCode::Ok);
  const auto session = client->store->session();
  const auto files = open_files();
  client->states.clear();
  client->store->on_state([&](SessionState state) {
    client->states.push_back(state);
    CHECK(client->store->server_address().empty() == (state != SessionState::Connected));
  });

  server.stop();
  REQUIRE(one.loses_connection());
  server.restore_disk();
  server.start();
  REQUIRE(backend.until([&] { return server.serves(); }));
  const auto served = boottime_now();
  REQUIRE(backend.until([&] { return one.expired() && one.is(SessionState::Connected); }));
  CHECK(boottime_now() - served < 2 * own_session_timeout);
  CHECK(client->store->session() != session);
  CHECK(client->states == std::vector<SessionState>{SessionState::Connecting, SessionState::Expired,
                                                    SessionState::Connecting, SessionState::Connected});
  CHECK(fired);
  CHECK(backend.get(*client, "/vms/a").entry.data == "old");
  CHECK(backend.get(*client, "/vms/b").code == ReadCode::NoEntry);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings.front(), Catch::Contains("restored from an older copy"));
  CHECK(open_files() == files);
}

TEST_CASE("Servers that went back and have run on let a client in that knows more: it reads anew") {
  OwnServer server;
  ZookeeperBackend backend;
  Proxy proxy(backend.loop(), {server.port()});
  std::vector<std::string> warnings;
  auto options = backend.options();
  options.servers = {"127.0.0.1:" + std::to_string(proxy.port())};
  options.session_timeout = own_session_timeout;
  options.warn = [&](const std::string& what) { warnings.push_back(what); };
  auto client = backend.open_direct(options);
  const auto is = [&](SessionState state) { return backend.until([&] { return client->store->state() == state; }); };
  REQUIRE(is(SessionState::Connected));
  REQUIRE(backend.commit(*client, {Create{"/vms/a", "old"}}).code == CommitCode::Ok);
  server.stop();
  REQUIRE(is(SessionState::Connecting));
  server.save_disk();
  server.start();
  REQUIRE(is(SessionState::Connected));
  REQUIRE(backend.commit(*client, {Set{"/vms/a", "new"}}).code == CommitCode::Ok);
  const auto session = client->store->session();
  std::string seen;
  std::function<void()> look = [&] {
    client->store->get(
        "/vms/a", [&](const ReadResult& result) { seen = result.entry.data; }, look);
  };
  look();
  REQUIRE(backend.until([&] { return seen == "new"; }));

  const bool went_back = GENERATE(true, false);
  CAPTURE(went_back);
  proxy.refuse();
  REQUIRE(is(SessionState::Connecting));
  server.stop();
  if (went_back) server.restore_disk();
  server.start();
  Bystander other({server.address()});
  for (int round = 0; round < many_writes; ++round)
    REQUIRE(other.backend.commit(*other.client, {Set{"/vms", ""}}).code == CommitCode::Ok);
  proxy.let_through();
  REQUIRE(is(SessionState::Connected));
  CHECK(backend.until([&] { return seen == (went_back ? "old" : "new"); }));
  CHECK(client->store->session() == session);
  CHECK(warnings.empty());
}

TEST_CASE("What is asked for in the moment of a reconnect is watched from its answer on") {
  ZookeeperBackend backend;
  Proxy proxy(backend.loop(), {servers().front().port});
  auto options = backend.options();
  options.servers = {"127.0.0.1:" + std::to_string(proxy.port())};
  auto client = backend.open_direct(options);
  const auto is = [&](SessionState state) { return backend.until([&] { return client->store->state() == state; }); };
  REQUIRE(is(SessionState::Connected));
  bool answered = false;
  bool changed = false;
  client->store->on_state([&](SessionState state) {
    if (state != SessionState::Connected) return;
    client->store->get(
        "/vms/a", [&](const ReadResult& result) { answered = result.code == ReadCode::NoEntry; },
        [&] { changed = true; });
  });
  proxy.refuse();
  REQUIRE(is(SessionState::Connecting));
  CHECK_FALSE(backend.until([] { return false; }, seconds(1)));  // long enough to read all anew
  proxy.let_through();
  REQUIRE(backend.until([&] { return answered; }));
  CHECK_FALSE(changed);
  REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  CHECK(backend.until([&] { return changed; }));
}

TEST_CASE("Servers whose disks were lost: a new session, and a store that can be written") {
  OwnServer server;
  Bystander one({server.address()});
  REQUIRE(one.backend.commit(*one.client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  for (int round = 0; round < many_writes; ++round)
    REQUIRE(one.backend.commit(*one.client, {Set{"/vms/a", "new"}}).code == CommitCode::Ok);
  server.stop();
  server.lose_disk();
  server.start();
  REQUIRE(one.backend.until([&] { return one.expired() && one.is(SessionState::Connected); }));
  CHECK(one.backend.get(*one.client, "/vms/a").code == ReadCode::NoEntry);
  CHECK(one.backend.commit(*one.client, {Create{"/vms/b", ""}}).code == CommitCode::Ok);
  CHECK(one.warnings.size() == 1);
  CHECK(one.backend.until([&] { return sessions_at(server) == 1; }));  // the probe has left
}

TEST_CASE("A session outlives an outage of its servers, however long, if they come back with what they had") {
  OwnServer server;
  Bystander one({silent_address(), server.address()});
  REQUIRE(one.backend.commit(*one.client, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  const auto session = one.client->store->session();
  const auto files = open_files();
  server.stop();
  REQUIRE(one.passes(2 * own_session_timeout));
  server.start();
  REQUIRE(one.connects());
  CHECK(one.client->store->session() == session);
  CHECK(one.backend.get(*one.client, "/nodes/n1").entry.ephemeral_owner == session);
  CHECK_FALSE(one.expired());
  CHECK(one.warnings.empty());
  CHECK(open_files() == files);
  CHECK(one.backend.until([&] { return sessions_at(server) == 1; }));
}

TEST_CASE("A client that hangs on its way back keeps its session, though another one gets in there") {
  ZookeeperBackend backend;
  Proxy proxy(backend.loop(), {servers().front().port});
  std::vector<std::string> warnings;
  auto options = backend.options();
  options.servers = {"127.0.0.1:" + std::to_string(proxy.port())};
  options.session_timeout = short_timeout;
  options.warn = [&](const std::string& what) { warnings.push_back(what); };
  auto client = backend.open_direct(options);
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  const auto session = client->store->session();
  const bool impatient = GENERATE(false, true);
  CAPTURE(impatient);
  proxy.stall_returning();
  REQUIRE(backend.until([&] { return proxy.relayed() == 1; }));  // the probe
  Instant left_at = 0;
  const auto replaced = [&] {
    if (impatient && boottime_now() - left_at >= impatience) {
      client->store->next_server();
      left_at = boottime_now();
    }
    return client->store->session() != session;
  };
  CHECK_FALSE(backend.until(replaced, 3 * short_timeout));
  CHECK(warnings.empty());
  proxy.let_through();
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(warnings.empty());  // the server itself has ended the session meanwhile
}

TEST_CASE("A probe that gets in proves nothing until its own server turns the client away") {
  ZookeeperBackend backend;
  const auto address = servers().front().address;
  const auto elsewhere = servers().back().address;
  ZookeeperProbe probe(backend.loop());
  const auto went_back = [&](const std::string& turned_away_by) {
    return probe.servers_went_back(turned_away_by, address, short_timeout);
  };
  CHECK_FALSE(backend.until([&] { return went_back("") || went_back(elsewhere); }, 2 * short_timeout));
  CHECK_FALSE(went_back(address));  // it may be about to drop the probe, too
  CHECK(backend.until([&] { return went_back(address); }));
  probe.end();
  const auto begin = boottime_now();
  CHECK(backend.until([&] { return went_back(address); }));
  CHECK(boottime_now() - begin >= short_timeout / 3 * 3);  // before it begins, before it counts, before it is believed
}
