// Mirrors, with every back end.
#include "store/mirror.hpp"

#include "backend.hpp"
#include "store/paths.hpp"

using namespace pvcd;
using namespace pvcd::store;
using namespace pvcd::store::test;

namespace {

// Passes everything on and counts reads: a mirror that arms two watches for one entry reads everything twice, for ever.
class CountingStore : public Store {
 public:
  explicit CountingStore(Store& inner) : inner_(inner) {}

  int reads = 0;
  int lists = 0;

  void commit(std::vector<Operation> operations, Committed done) override {
    inner_.commit(std::move(operations), done);
  }
  void get(const std::string& path, Read done, Changed changed) override { inner_.get(path, done, changed); }
  void get_existing(const std::string& path, Read done, Changed changed) override {
    ++reads;
    inner_.get_existing(path, done, changed);
  }
  void list(const std::string& path, Read done, Changed changed) override {
    ++lists;
    inner_.list(path, done, changed);
  }
  void sync(std::function<void(ReadCode)> done) override { inner_.sync(done); }
  sd_event* loop() const override { return inner_.loop(); }
  SessionState state() const override { return inner_.state(); }
  std::uint64_t session() const override { return inner_.session(); }
  Microseconds session_timeout() const override { return inner_.session_timeout(); }
  void on_state(std::function<void(SessionState)> told) override { inner_.on_state(told); }
  void next_server() override { inner_.next_server(); }
  std::string server_address() const override { return inner_.server_address(); }
  void close() override { inner_.close(); }

 private:
  Store& inner_;
};

const Entry* find(const Mirror& mirror, const std::string& name) {
  auto found = mirror.entries().find(name);
  return found == mirror.entries().end() ? nullptr : &found->second;
}

bool holds(const Mirror& mirror, const std::string& name, const std::string& data) {
  auto* entry = find(mirror, name);
  return entry && entry->data == data;
}

}  // namespace

TEST_CASE("A mirror follows what is made, changed and removed") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  REQUIRE(backend->commit(*writer, {Create{"/vms/a", "1"}, Create{"/vms/b", "1"}}).code == CommitCode::Ok);
  REQUIRE(backend->sync(*client) == ReadCode::Ok);

  int told = 0;
  Mirror mirror(*client->store, paths::vms, [&] { ++told; });
  CHECK_FALSE(mirror.complete());
  CHECK(told == 0);
  REQUIRE(backend->until([&] { return mirror.complete(); }));
  CHECK(mirror.entries().size() == 2);
  CHECK(holds(mirror, "a", "1"));
  REQUIRE(backend->until([&] { return told > 0; }));

  told = 0;
  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "2"}, store::Remove{"/vms/b"}, Create{"/vms/c", "1"}}).code ==
          CommitCode::Ok);
  REQUIRE(backend->until([&] { return holds(mirror, "a", "2") && holds(mirror, "c", "1") && !find(mirror, "b"); }));
  CHECK(find(mirror, "a")->version == 1);
  CHECK(mirror.complete());
  REQUIRE(backend->until([&] { return told > 0; }));

  REQUIRE(backend->commit(*writer, {Create{"/vms/b", "again"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return holds(mirror, "b", "again"); }));
  REQUIRE(backend->commit(*writer, {store::Remove{"/vms/b"}, Create{"/vms/b", "replaced"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return holds(mirror, "b", "replaced"); }));
}

TEST_CASE("A mirror is complete only when all entries of a large directory are there, and tells in few calls") {
  constexpr int count = 300;
  auto backend = make_backend();
  auto client = backend->connected();
  std::vector<Operation> operations;
  for (int number = 0; number < count; ++number) operations.push_back(Create{"/vms/" + std::to_string(number), "x"});
  REQUIRE(backend->commit(*client, operations).code == CommitCode::Ok);
  std::size_t seen_when_complete = 0;
  Mirror mirror(*client->store, paths::vms, [&] {
    if (mirror.complete() && seen_when_complete == 0) seen_when_complete = mirror.entries().size();
  });
  REQUIRE(backend->until([&] { return seen_when_complete != 0; }));
  CHECK(seen_when_complete == count);
}

TEST_CASE("A mirror sees an entry's children come and go, when asked to") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto node = backend->connected();
  Mirror mirror(*client->store, paths::live, {}, true);
  auto children = [&](const std::string& name) {
    return find(mirror, name) ? static_cast<int>(find(mirror, name)->children) : -1;
  };

  REQUIRE(backend->commit(*node, {Create{"/live/n1.1", "0"}, Create{"/live/n1.1/session", "", true}}).code ==
          CommitCode::Ok);
  REQUIRE(backend->until([&] { return children("n1.1") == 1; }));
  for (int beat = 1; beat <= 20; ++beat) {
    REQUIRE(backend->commit(*node, {Set{"/live/n1.1", std::to_string(beat)}}).code == CommitCode::Ok);
    REQUIRE(backend->until([&] { return holds(mirror, "n1.1", std::to_string(beat)); }));
  }
  backend->expire(*node);
  REQUIRE(backend->until([&] { return children("n1.1") == 0; }));
  CHECK(holds(mirror, "n1.1", "20"));
  REQUIRE(backend->until([&] { return node->store->session() != 0; }));
  REQUIRE(backend->commit(*client, {Create{"/live/n1.1/session", ""}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return children("n1.1") == 1; }));
  REQUIRE(backend->commit(*client, {store::Remove{"/live/n1.1/session"}, store::Remove{"/live/n1.1"}}).code ==
          CommitCode::Ok);
  REQUIRE(backend->until([&] { return children("n1.1") == -1; }));
}

TEST_CASE("A mirror catches up after it was cut off") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  REQUIRE(backend->commit(*writer, {Create{"/vms/a", "1"}, Create{"/vms/b", "1"}}).code == CommitCode::Ok);
  Mirror mirror(*client->store, paths::vms, {});
  REQUIRE(backend->until([&] { return holds(mirror, "a", "1") && holds(mirror, "b", "1"); }));

  backend->cut(*client, Cut::Requests);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connecting; }));
  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "2"}, store::Remove{"/vms/b"}, Create{"/vms/c", "1"}}).code ==
          CommitCode::Ok);
  backend->heal(*client);
  REQUIRE(backend->until([&] { return holds(mirror, "a", "2") && holds(mirror, "c", "1") && !find(mirror, "b"); }));
}

TEST_CASE("A mirror that begins while cut off reads when it can") {
  auto backend = make_backend();
  auto client = backend->connected();
  REQUIRE(backend->commit(*client, {Create{"/vms/a", "1"}}).code == CommitCode::Ok);
  backend->cut(*client, Cut::Requests);
  Mirror mirror(*client->store, paths::vms, {});
  MirroredEntry entry(*client->store, "/vms/a", {});
  CHECK(backend->get(*client, "/vms/a").code == ReadCode::Unknown);
  CHECK_FALSE(mirror.complete());
  CHECK_FALSE(entry.complete());
  backend->heal(*client);
  REQUIRE(backend->until([&] { return mirror.complete() && entry.complete(); }));
  CHECK(holds(mirror, "a", "1"));
}

TEST_CASE("A mirror is incomplete from the end of its session until it has read again in the next") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  REQUIRE(backend->commit(*writer, {Create{"/vms/a", "1"}}).code == CommitCode::Ok);
  Mirror mirror(*client->store, paths::vms, {});
  MirroredEntry entry(*client->store, "/vms/a", {});
  REQUIRE(backend->until([&] { return mirror.complete() && entry.complete(); }));

  std::vector<bool> complete_when_connected;
  client->store->on_state([&](SessionState state) {
    if (state == SessionState::Connected) complete_when_connected = {mirror.complete(), entry.complete()};
  });
  backend->cut(*client, Cut::Requests);
  REQUIRE(backend->until([&] { return client->store->state() == SessionState::Connecting; }));
  backend->expire(*client);
  REQUIRE(backend->commit(*writer, {Set{"/vms/a", "2"}}).code == CommitCode::Ok);
  backend->heal(*client);
  REQUIRE(backend->until([&] { return mirror.complete() && entry.complete() && !complete_when_connected.empty(); }));
  CHECK(complete_when_connected == std::vector<bool>{false, false});
  REQUIRE(backend->until([&] { return holds(mirror, "a", "2") && entry.entry()->data == "2"; }));
}

TEST_CASE("A mirror reads a changed entry once, whatever came before") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  CountingStore counting(*client->store);
  Mirror mirror(counting, paths::live, {}, true);
  REQUIRE(backend->until([&] { return mirror.complete(); }));
  for (int round = 0; round < 10; ++round) {
    REQUIRE(
        backend->commit(*writer, {Create{"/live/a", "0"}, Create{"/live/other" + std::to_string(round), ""}}).code ==
        CommitCode::Ok);
    REQUIRE(backend->until([&] { return find(mirror, "a") != nullptr; }));
    REQUIRE(backend->commit(*writer, {store::Remove{"/live/a"}}).code == CommitCode::Ok);
  }
  REQUIRE(backend->commit(*writer, {Create{"/live/a", "0"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return holds(mirror, "a", "0") && mirror.entries().size() == 11; }));
  REQUIRE(backend->sync(*client) == ReadCode::Ok);

  auto reads_before = counting.reads;
  auto lists_before = counting.lists;
  for (int beat = 1; beat <= 20; ++beat) {
    REQUIRE(backend->commit(*writer, {Set{"/live/a", std::to_string(beat)}}).code == CommitCode::Ok);
    REQUIRE(backend->until([&] { return holds(mirror, "a", std::to_string(beat)); }));
  }
  CHECK(counting.reads - reads_before == 20);
  CHECK(counting.lists == lists_before);
}

TEST_CASE("A mirrored entry is absent, there, changed and gone") {
  auto backend = make_backend();
  auto client = backend->connected();
  auto writer = backend->connected();
  int told = 0;
  MirroredEntry mirrored(*client->store, paths::leader, [&] { ++told; });
  CHECK_FALSE(mirrored.complete());
  CHECK(mirrored.entry() == nullptr);
  REQUIRE(backend->until([&] { return mirrored.complete() && told > 0; }));
  CHECK(mirrored.entry() == nullptr);
  REQUIRE(backend->commit(*writer, {Create{paths::leader, "1"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return mirrored.entry() && mirrored.entry()->data == "1"; }));
  REQUIRE(backend->commit(*writer, {Set{paths::leader, "2"}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return mirrored.entry()->data == "2"; }));
  CHECK(mirrored.entry()->version == 1);
  REQUIRE(backend->commit(*writer, {store::Remove{paths::leader}}).code == CommitCode::Ok);
  REQUIRE(backend->until([&] { return mirrored.entry() == nullptr; }));
  CHECK(mirrored.complete());
}

TEST_CASE("A mirror may be ended in its own callback") {
  auto backend = make_backend();
  auto client = backend->connected();
  std::unique_ptr<Mirror> mirror;
  bool ended = false;
  mirror = std::make_unique<Mirror>(*client->store, paths::vms, [&] {
    mirror.reset();
    ended = true;
  });
  REQUIRE(backend->until([&] { return ended; }));
  REQUIRE(backend->commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  REQUIRE(backend->sync(*client) == ReadCode::Ok);
}
