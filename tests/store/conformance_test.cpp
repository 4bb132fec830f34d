// What every back end of the store promises (store/store.hpp). Linked once with each of them.
#include "backend.hpp"

#include <algorithm>
#include <optional>

#include "store/paths.hpp"
#include "store/request.hpp"

using namespace pvcd;
using namespace pvcd::store;
using namespace pvcd::store::test;

namespace {

using Codes = std::vector<CommitCode>;

// A client with an entry that it watches, and one that is its session's.
struct Watching {
  explicit Watching(Backend& backend) : client(backend.connected()), session(client->store->session()) {
    REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}, Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
    bool armed = false;
    client->store->get(
        "/vms/a", [&](const ReadResult&) { armed = true; }, [this] { ++fired; });
    REQUIRE(backend.until([&] { return armed; }));
  }
  Watching(const Watching&) = delete;

  const std::unique_ptr<Client> client;
  const std::uint64_t session;
  int fired = 0;
};

bool has(const std::vector<SessionState>& states, SessionState state) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

}  // namespace

TEST_CASE("An entry counts its versions and knows when it changed") {
  auto backend = make_backend();
  auto client = backend->connected();

  REQUIRE(backend->get(*client, "/vms/a").code == ReadCode::NoEntry);
  auto made = backend->commit(*client, {Create{"/vms/a", "one"}});
  REQUIRE(made.code == CommitCode::Ok);
  CHECK(made.created == std::vector<std::string>{"/vms/a"});
  auto first = backend->get(*client, "/vms/a");
  REQUIRE(first.code == ReadCode::Ok);
  CHECK(first.entry.data == "one");
  CHECK(first.entry.version == 0);
  CHECK(first.entry.created == first.entry.changed);
  CHECK(first.entry.ephemeral_owner == 0);

  auto set = backend->commit(*client, {Set{"/vms/a", "two", 0}});
  REQUIRE(set.code == CommitCode::Ok);
  CHECK(set.versions == std::vector<Version>{1});
  auto second = backend->get(*client, "/vms/a");
  CHECK(second.entry.data == "two");
  CHECK(second.entry.version == 1);
  CHECK(second.entry.created == first.entry.created);
  CHECK(second.entry.changed > first.entry.changed);

  CHECK(backend->commit(*client, {Set{"/vms/a", "three", 0}}).code == CommitCode::BadVersion);
  CHECK(backend->commit(*client, {Set{"/vms/a", "three", any_version}}).code == CommitCode::Ok);
  CHECK(backend->commit(*client, {store::Remove{"/vms/a", 1}}).code == CommitCode::BadVersion);
  CHECK(backend->commit(*client, {store::Remove{"/vms/a", 2}}).code == CommitCode::Ok);
  CHECK(backend->commit(*client, {store::Remove{"/vms/a"}}).code == CommitCode::NoEntry);
  CHECK(backend->commit(*client, {Set{"/vms/a", "four"}}).code == CommitCode::NoEntry);
}

TEST_CASE("Data is bytes") {
  auto backend = make_backend();
  auto client = backend->connected();
  std::string bytes("\0\xff\n\0", 4);
  REQUIRE(backend->commit(*client, {Create{"/vms/a", bytes}, Create{"/vms/b", ""}}).code == CommitCode::Ok);
  CHECK(backend->get(*client, "/vms/a").entry.data == bytes);
  CHECK(backend->get(*client, "/vms/b").entry.data.empty());
}

TEST_CASE("The directories exist, and listing gives names") {
  auto backend = make_backend();
  auto client = backend->connected();
  for (const auto& directory : paths::directories) {
    auto listed = backend->list(*client, directory);
    REQUIRE(listed.code == ReadCode::Ok);
    CHECK(listed.children.empty());
  }
  REQUIRE(backend->commit(*client, {Create{"/vms/b", ""}, Create{"/vms/a", ""}, Create{"/vms/a/inner", ""}}).code ==
          CommitCode::Ok);
  auto listed = backend->list(*client, "/vms");
  std::sort(listed.children.begin(), listed.children.end());
  CHECK(listed.children == std::vector<std::string>{"a", "b"});
  CHECK(listed.entry.children == 2);
  CHECK(backend->list(*client, "/vms/missing").code == ReadCode::NoEntry);
}

TEST_CASE("A transaction happens whole or not at all, and names the operation to blame") {
  auto backend = make_backend();
  auto client = backend->connected();
  REQUIRE(backend->commit(*client, {Create{"/vms/a", "old"}, Create{"/owners/a", "old"}}).code == CommitCode::Ok);

  auto refused = backend->commit(*client, {Set{"/vms/a", "new", 0}, Create{"/runs/a", "new"},
                                           store::Check{"/owners/a", 7}, store::Remove{"/owners/a"}});
  CHECK(refused.code == CommitCode::BadVersion);
  CHECK(refused.failed == 2);
  CHECK(backend->get(*client, "/vms/a").entry.data == "old");
  CHECK(backend->get(*client, "/runs/a").code == ReadCode::NoEntry);
  CHECK(backend->get(*client, "/owners/a").code == ReadCode::Ok);

  auto missing = backend->commit(*client, {Set{"/vms/a", "new"}, store::Check{"/vms/missing"}});
  CHECK(missing.code == CommitCode::NoEntry);
  CHECK(missing.failed == 1);
  auto exists = backend->commit(*client, {Create{"/vms/a", ""}, Set{"/owners/a", "new"}});
  CHECK(exists.code == CommitCode::Exists);
  CHECK(exists.failed == 0);

  auto done = backend->commit(*client, {store::Check{"/owners/a", 0}, Set{"/vms/a", "new", 0}, Create{"/runs/a", "new"},
                                        store::Remove{"/owners/a"}});
  REQUIRE(done.code == CommitCode::Ok);
  CHECK(done.versions == std::vector<Version>{0, 1, 0, 0});
  CHECK(done.created == std::vector<std::string>{"/runs/a"});
  auto changed = backend->get(*client, "/vms/a").entry;
  CHECK(changed.data == "new");
  CHECK(changed.changed == backend->get(*client, "/runs/a").entry.created);
  CHECK(backend->get(*client, "/owners/a").code == ReadCode::NoEntry);
}

TEST_CASE("The numbers of appended entries have no gaps: a missing one tells of a missing entry") {
  auto backend = make_backend();
  auto client = backend->connected();
  const Create link{"/owners/vm/l", "", false, true};
  const auto append = [&] { return backend->commit(*client, {Set{"/owners/vm", "again"}, link}).created; };
  const auto is = [](const std::string& path) { return std::vector<std::string>{path}; };
  const auto first = backend->commit(*client, {Create{"/owners/vm", ""}, link});
  CHECK(first.created == std::vector<std::string>{"/owners/vm", "/owners/vm/l0000000000"});
  CHECK(append() == is("/owners/vm/l0000000001"));
  CHECK(backend->commit(*client, {link, store::Check{"/vms/missing"}}).code == CommitCode::NoEntry);
  CHECK(backend->commit(*client, {store::Check{"/vms/missing"}, link}).code == CommitCode::NoEntry);
  CHECK(append() == is("/owners/vm/l0000000002"));
  REQUIRE(backend->commit(*client, {store::Remove{"/owners/vm/l0000000000"}}).code == CommitCode::Ok);
  CHECK(append() == is("/owners/vm/l0000000003"));
}

TEST_CASE("An older primary's write is refused once the epoch has moved") {
  auto backend = make_backend();
  auto older = backend->connected();
  auto newer = backend->connected();
  REQUIRE(backend->commit(*older, {Create{paths::leader, "epoch 1"}, Create{"/owners/vm", "by 1"}}).code ==
          CommitCode::Ok);
  auto version = backend->get(*older, paths::leader).entry.version;
  REQUIRE(backend->commit(*older, {store::Check{paths::leader, version}, Set{"/owners/vm", "by 1 again"}}).code ==
          CommitCode::Ok);

  REQUIRE(backend->commit(*newer, {Set{paths::leader, "epoch 2", version}}).code == CommitCode::Ok);
  auto late = backend->commit(*older, {store::Check{paths::leader, version}, Set{"/owners/vm", "too late"}});
  CHECK(late.code == CommitCode::BadVersion);
  CHECK(late.failed == 0);
  CHECK(backend->get(*newer, "/owners/vm").entry.data == "by 1 again");
}

TEST_CASE("An entry with children cannot be removed: a living holder keeps its place") {
  auto backend = make_backend();
  auto holder = backend->connected();
  auto claimer = backend->connected();
  REQUIRE(backend->commit(*holder, {Create{"/live/n1.1", ""}, Create{"/live/n1.1/session", "", true}}).code ==
          CommitCode::Ok);
  std::vector<Operation> claim = {Create{paths::leader, "n2"}, store::Remove{"/live/n1.1"}};

  auto refused = backend->commit(*claimer, claim);
  CHECK(refused.code == CommitCode::NotEmpty);
  CHECK(refused.failed == 1);
  CHECK(backend->get(*claimer, paths::leader).code == ReadCode::NoEntry);

  holder->store->close();
  REQUIRE(backend->until([&] { return backend->commit(*claimer, claim).code == CommitCode::Ok; }));
  auto late = backend->connected();
  CHECK(backend->commit(*late, {Create{"/live/n1.1/session", "", true}}).code == CommitCode::NoEntry);
}

TEST_CASE("Sequential entries get increasing numbers") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto first = backend->commit(*client, {Create{"/jobs/j", "", false, true}, Create{"/jobs/j", "", false, true}});
  REQUIRE(first.code == CommitCode::Ok);
  REQUIRE(first.created.size() == 2);
  CHECK(first.created[0].starts_with("/jobs/j0"));
  CHECK(first.created[0] < first.created[1]);
  REQUIRE(backend->commit(*client, {store::Remove{first.created[0]}, store::Remove{first.created[1]}}).code ==
          CommitCode::Ok);
  auto second = backend->commit(*client, {Create{"/jobs/j", "", false, true}});
  CHECK(second.created[0] > first.created[1]);
  CHECK(backend->get(*client, second.created[0]).code == ReadCode::Ok);
}

TEST_CASE("An ephemeral entry belongs to its session and ends with it") {
  auto backend = make_backend();
  auto owner = backend->connected();
  auto other = backend->connected();
  CHECK(owner->store->session() != 0);
  CHECK(owner->store->session() != other->store->session());
  REQUIRE(backend->commit(*owner, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  auto seen = backend->get(*other, "/nodes/n1");
  if (seen.code == ReadCode::NoEntry) {
    REQUIRE(backend->sync(*other) == ReadCode::Ok);
    seen = backend->get(*other, "/nodes/n1");
  }
  REQUIRE(seen.code == ReadCode::Ok);
  CHECK(seen.entry.ephemeral_owner == owner->store->session());
  CHECK(backend->commit(*owner, {Create{"/nodes/n1/child", ""}}).code == CommitCode::Invalid);

  bool gone = false;
  other->store->get("/nodes/n1", {}, [&] { gone = true; });
  REQUIRE(backend->sync(*other) == ReadCode::Ok);
  CHECK_FALSE(gone);
  owner->store->close();
  CHECK(owner->store->session() == 0);
  REQUIRE(backend->until([&] { return gone; }));
  CHECK(backend->get(*other, "/nodes/n1").code == ReadCode::NoEntry);
}

TEST_CASE("A restarted process resumes its session") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto other = backend->connected();
  auto session = client->store->session();
  REQUIRE(backend->commit(*client, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  auto made = backend->get(*client, "/nodes/n1").entry;

  client = backend->restart(std::move(client));
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(client->store->session() == session);
  CHECK_FALSE(has(client->states, SessionState::Expired));
  CHECK(backend->get(*client, "/nodes/n1").entry == made);
  CHECK(backend->commit(*client, {Set{"/nodes/n1", "again"}}).code == CommitCode::Ok);
}

TEST_CASE("A process that comes back too late is told so and begins anew") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto session = client->store->session();
  backend->cut(*client, Cut::Requests);
  backend->expire(*client);
  client = backend->restart(std::move(client));
  backend->heal(*client);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(client->states ==
        std::vector<SessionState>{SessionState::Expired, SessionState::Connecting, SessionState::Connected});
  CHECK(client->store->session() != session);
}

TEST_CASE("After its session has expired a client begins another one, and everything watched fires") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto other = backend->connected();
  auto session = client->store->session();
  REQUIRE(backend->commit(*client, {Create{"/nodes/n1", "", true}, Create{"/vms/a", ""}}).code == CommitCode::Ok);
  int answered = 0;
  int fired = 0;
  auto count = [&](const ReadResult&) { ++answered; };
  client->store->get("/vms/a", count, [&] { ++fired; });
  client->store->get("/vms/missing", count, [&] { ++fired; });
  client->store->list("/vms", count, [&] { ++fired; });
  REQUIRE(backend->until([&] { return answered == 3; }));
  REQUIRE(fired == 0);
  client->states.clear();

  backend->expire(*client);
  REQUIRE(backend->until([&] { return client->store->session() != session && client->store->session() != 0; }));
  CHECK(client->store->state() == SessionState::Connected);
  CHECK(std::count(client->states.begin(), client->states.end(), SessionState::Expired) == 1);
  CHECK(fired == 3);
  REQUIRE(backend->until([&] { return backend->get(*other, "/nodes/n1").code == ReadCode::NoEntry; }));
  CHECK(backend->commit(*client, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
}

TEST_CASE("A client that is cut off does not learn that its session has expired") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto session = client->store->session();
  backend->cut(*client, Cut::Requests);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connecting; }));
  backend->expire(*client);
  CHECK(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Unknown);
  CHECK_FALSE(has(client->states, SessionState::Expired));
  CHECK(client->store->session() == session);
  backend->heal(*client);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(has(client->states, SessionState::Expired));
  CHECK(client->store->session() != session);
}

TEST_CASE("A watch fires once, for each kind of change") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  int data = 0;
  int children = 0;
  int missing = 0;
  int existing = 0;
  std::vector<ReadCode> codes;
  auto note = [&](const ReadResult& result) { codes.push_back(result.code); };
  REQUIRE(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  client->store->get("/vms/a", note, [&] { ++data; });
  client->store->list("/vms", note, [&] { ++children; });
  client->store->get("/vms/b", note, [&] { ++missing; });
  client->store->get_existing("/vms/b", note, [&] { ++existing; });
  REQUIRE(backend->until([&] { return codes.size() == 4; }));
  std::sort(codes.begin(), codes.end());
  CHECK(codes == std::vector<ReadCode>{ReadCode::Ok, ReadCode::Ok, ReadCode::NoEntry, ReadCode::NoEntry});

  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "1"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return data == 1; }));
  CHECK(children == 0);
  REQUIRE(backend->commit(*writer, {Create{"/vms/b", ""}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return children == 1 && missing == 1; }));
  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "2"}, Set{"/vms/b", "2"}, Create{"/vms/c", ""}}).code ==
          CommitCode::Ok);
  REQUIRE(backend->sync(*client) == ReadCode::Ok);
  CHECK(data == 1);
  CHECK(children == 1);
  CHECK(missing == 1);
  CHECK(existing == 0);
}

TEST_CASE("A watch that is armed again by reading misses nothing") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  constexpr int writes = 300;
  REQUIRE(backend->commit(*writer, {Create{"/vms/a", "0"}}).code == CommitCode::Ok);
  std::string last;
  std::function<void()> read = [&] {
    client->store->get(
        "/vms/a", [&](const ReadResult& result) { last = result.entry.data; }, read);
  };
  REQUIRE(backend->sync(*client) == ReadCode::Ok);
  read();
  int answered = 0;
  for (int write = 1; write <= writes; ++write)
    writer->store->commit({Set{"/vms/a", std::to_string(write)}}, [&](const CommitResult& result) {
      CHECK(result.code == CommitCode::Ok);
      ++answered;
    });
  REQUIRE(backend->until([&] { return answered == writes && last == std::to_string(writes); }));
}

TEST_CASE("A change made while the client was cut off fires its watch when it is back") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  REQUIRE(backend->commit(*client, {Create{"/vms/a", ""}, Create{"/vms/still", ""}}).code == CommitCode::Ok);
  int answered = 0;
  int fired = 0;
  int false_alarms = 0;
  auto count = [&](const ReadResult&) { ++answered; };
  client->store->get("/vms/a", count, [&] { ++fired; });
  client->store->get("/vms/b", count, [&] { ++fired; });
  client->store->list("/vms", count, [&] { ++fired; });
  client->store->get("/vms/still", count, [&] { ++false_alarms; });
  REQUIRE(backend->until([&] { return answered == 4; }));

  backend->cut(*client, Cut::Requests);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connecting; }));
  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "new"}, Create{"/vms/b", ""}}).code == CommitCode::Ok);
  CHECK(fired == 0);
  backend->heal(*client);
  REQUIRE(backend->until([&] { return fired == 3; }));
  CHECK(false_alarms == 0);
  CHECK_FALSE(has(client->states, SessionState::Expired));
}

TEST_CASE(
    "A change of server keeps the session, what it owns and its watches, and no request stays without an answer") {
  auto backend = make_backend();
  Watching watching(*backend);
  const auto& client = watching.client;
  const int& fired = watching.fired;
  auto other = backend->connected();

  std::optional<CommitCode> pending;
  client->store->commit({Create{"/vms/b", ""}}, [&](const CommitResult& result) { pending = result.code; });
  client->store->next_server();
  REQUIRE(backend->until([&] { return pending.has_value(); }));
  CHECK((pending == CommitCode::Ok || pending == CommitCode::Unknown));
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(client->store->session() == watching.session);
  CHECK(fired == 0);
  REQUIRE(backend->sync(*other) == ReadCode::Ok);
  CHECK(backend->get(*other, "/nodes/n1").entry.ephemeral_owner == watching.session);
  REQUIRE(backend->commit(*other, {Set{"/vms/a", "new"}}).code == CommitCode::Ok);
  CHECK(backend->until([&] { return fired == 1; }));
  CHECK_FALSE(has(client->states, SessionState::Expired));
}

TEST_CASE("When a server stalls, a change of server brings writes back, and what was under way is Unknown") {
  auto backend = make_backend();
  Watching watching(*backend);
  const auto& client = watching.client;
  const int& fired = watching.fired;
  auto other = backend->connected();

  backend->cut(*client, Cut::Stall);
  std::optional<CommitResult> write;
  std::optional<ReadCode> read;
  std::optional<ReadCode> synced;
  client->store->commit({Set{"/vms/a", "stalled"}}, [&](const CommitResult& result) { write = result; });
  client->store->get("/vms/a", [&](const ReadResult& result) { read = result.code; });
  client->store->sync([&](ReadCode code) { synced = code; });
  CHECK_FALSE(backend->until([&] { return write || read || synced; }, milliseconds(300)));
  CHECK(client->store->state() == SessionState::Connected);         // it does not know
  CHECK(backend->commit(*client, {}).code == CommitCode::Invalid);  // for that no server is needed
  REQUIRE(backend->commit(*other, {Set{"/vms/a", "meanwhile"}}).code == CommitCode::Ok);

  client->store->next_server();
  REQUIRE(backend->until([&] { return write && read && synced; }));
  CHECK(write->code == CommitCode::Unknown);
  CHECK(write->sent_at != 0);
  CHECK(read == ReadCode::Unknown);
  CHECK(synced == ReadCode::Unknown);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected && fired == 1; }));
  CHECK(backend->get(*other, "/vms/a").entry.data == "meanwhile");
  CHECK(backend->commit(*client, {Set{"/vms/a", "again"}}).code == CommitCode::Ok);
  CHECK(backend->get(*client, "/vms/a").entry.data == "again");
  CHECK(client->store->session() == watching.session);
  CHECK(backend->get(*client, "/nodes/n1").entry.ephemeral_owner == watching.session);
  CHECK_FALSE(has(client->states, SessionState::Expired));
}

TEST_CASE("When the answer is lost the outcome is Unknown, though it happened") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto other = backend->connected();
  REQUIRE(backend->commit(*client, {Create{"/vms/a", "old"}}).code == CommitCode::Ok);

  backend->cut(*client, Cut::Replies);
  std::optional<CommitResult> result;
  client->store->commit({Set{"/vms/a", "new", 0}}, [&](const CommitResult& told) { result = told; });
  REQUIRE(backend->until(
      [&] { return backend->sync(*other) == ReadCode::Ok && backend->get(*other, "/vms/a").entry.data == "new"; }));
  backend->heal(*client);
  REQUIRE(backend->until([&] { return result.has_value(); }));
  CHECK(result->code == CommitCode::Unknown);
  CHECK(result->sent_at != 0);

  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(backend->get(*client, "/vms/a").entry.data == "new");
  CHECK(backend->commit(*client, {Set{"/vms/a", "new", 0}}).code == CommitCode::BadVersion);
}

TEST_CASE("When the request is lost the outcome is Unknown, though it did not happen") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto other = backend->connected();
  backend->cut(*client, Cut::Requests);
  CHECK(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Unknown);
  CHECK(backend->get(*client, "/vms/a").code == ReadCode::Unknown);
  CHECK(backend->list(*client, "/vms").code == ReadCode::Unknown);
  CHECK(backend->sync(*client) == ReadCode::Unknown);
  REQUIRE(backend->sync(*other) == ReadCode::Ok);
  CHECK(backend->get(*other, "/vms/a").code == ReadCode::NoEntry);
  backend->heal(*client);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
}

TEST_CASE("A sync makes another client's finished writes visible") {
  auto backend = make_backend();
  auto reader = backend->connected();
  auto writer = backend->connected();
  REQUIRE(backend->commit(*writer, {Create{"/vms/a", "0"}}).code == CommitCode::Ok);
  for (int round = 1; round <= 50; ++round) {
    auto value = std::to_string(round);
    REQUIRE(backend->commit(*writer, {Set{"/vms/a", value}}).code == CommitCode::Ok);
    REQUIRE(backend->sync(*reader) == ReadCode::Ok);
    REQUIRE(backend->get(*reader, "/vms/a").entry.data == value);
  }
}

TEST_CASE("What is too big or malformed is refused before it is sent, and hurts nobody") {
  auto backend = make_backend();
  auto client = backend->connected();
  std::string big(transaction_bytes_max, 'x');
  auto refused = backend->commit(*client, {Create{"/vms/a", ""}, Create{"/vms/b", big}});
  CHECK(refused.code == CommitCode::TooBig);
  CHECK(refused.failed == 1);
  std::string fits(transaction_bytes_max - 1000, 'x');
  CHECK(backend->commit(*client, {Create{"/vms/b", fits}}).code == CommitCode::Ok);
  CHECK(backend->get(*client, "/vms/b").entry.data == fits);

  for (auto path : {"", "vms/a", "/vms/", "/vms//a", "/vms/./a", "/vms/..", "/vms/a\n", "/"})
    CHECK(backend->commit(*client, {Create{path, ""}}).code == CommitCode::Invalid);
  CHECK(backend->commit(*client, {}).code == CommitCode::Invalid);
  CHECK(backend->get(*client, "vms").code == ReadCode::Unknown);
  CHECK(client->states == std::vector<SessionState>{SessionState::Connected});
}

TEST_CASE("Proofs count from when a write was sent") {
  auto backend = make_backend();
  auto client = backend->connected();
  CHECK(client->store->session_timeout() > 0);
  auto before = boottime_now();
  auto result = backend->commit(*client, {Create{"/vms/a", ""}});
  CHECK(result.sent_at >= before);
  CHECK(result.sent_at <= boottime_now());
}

TEST_CASE("Requests made before the first connection are answered") {
  auto backend = make_backend();
  auto client = backend->open();
  CHECK(client->store->state() == SessionState::Connecting);
  CHECK(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
}

TEST_CASE("Closing and destroying drop the callbacks of what is under way") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto fail = [](const auto&...) { FAIL("called after the end"); };
  client->store->get("/vms/a", fail, fail);
  client->store->commit({Create{"/vms/a", ""}}, fail);
  SECTION("close") { client->store->close(); }
  SECTION("destroy") { client->store.reset(); }
  auto other = backend->connected();
  REQUIRE(backend->sync(*other) == ReadCode::Ok);
}
