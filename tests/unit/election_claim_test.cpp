#include "sdk/claim.hpp"

#include <catch2/catch.hpp>

#include "plugins/election/election.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"
#include "tests/unit/fake_host.hpp"

namespace pvcd::election {
namespace {

Instant in_time() { return store::boottime_now() + seconds(30); }

namespace paths = store::paths;
using test::FakeHost;

// Counts how often its user has left a server.
class Roaming : public store::Store {
 public:
  explicit Roaming(std::unique_ptr<store::Store> below) : below_(std::move(below)) {}

  void commit(std::vector<store::Operation> operations, store::Committed done) override {
    below_->commit(std::move(operations), std::move(done));
  }
  void get(const std::string& path, store::Read done, store::Changed changed) override {
    below_->get(path, std::move(done), std::move(changed));
  }
  void get_existing(const std::string& path, store::Read done, store::Changed changed) override {
    below_->get_existing(path, std::move(done), std::move(changed));
  }
  void list(const std::string& path, store::Read done, store::Changed changed) override {
    below_->list(path, std::move(done), std::move(changed));
  }
  void sync(std::function<void(store::ReadCode)> done) override { below_->sync(std::move(done)); }
  sd_event* loop() const override { return below_->loop(); }
  store::SessionState state() const override { return below_->state(); }
  std::uint64_t session() const override { return below_->session(); }
  Microseconds session_timeout() const override { return below_->session_timeout(); }
  void on_state(std::function<void(store::SessionState)> told) override { below_->on_state(std::move(told)); }
  void next_server() override { ++left; }
  std::string server_address() const override { return below_->server_address(); }
  void close() override { below_->close(); }

  int left = 0;

 private:
  std::unique_ptr<store::Store> below_;
};

// A cluster in memory with n1 alive as incarnation 3, and the election of n1.
struct Cluster {
  Cluster() {
    host.values.texts = {{"node.name", "n1"}};
    host.values.numbers = {{"timings.decision_limit_ms", 1000}};
    n1 = local->open(host.loop());
    n2 = local->open(host.loop());
    begin_life(*n1, "n1", 3);
    election.start(host);
    REQUIRE(host.turn_until([&] { return elections->state() == store::SessionState::Connected; }));
  }

  void write(store::Store& store, std::vector<store::Operation> operations) {
    std::optional<store::CommitCode> code;
    store.commit(std::move(operations), [&](const auto& result) { code = result.code; });
    REQUIRE(host.turn_until([&] { return code.has_value(); }));
    REQUIRE(*code == store::CommitCode::Ok);
  }
  void begin_life(store::Store& store, const NodeName& node, Incarnation incarnation) {
    LiveRecord live;
    live.node = node;
    live.incarnation = incarnation;
    write(store, {store::Create{paths::live_entry(node, incarnation), store::encode(live)},
                  store::Create{paths::live_session(node, incarnation), {}, true}});
  }
  void lead(const LeaderRecord& leader) { write(*n1, {store::Create{paths::leader, store::encode(leader)}}); }

  store::ReadResult get(const std::string& path) {
    std::optional<store::ReadResult> result;
    n1->get(path, [&](const auto& answer) { result = answer; });
    REQUIRE(host.turn_until([&] { return result.has_value(); }));
    return *result;
  }
  LeaderRecord leader() { return std::get<LeaderRecord>(store::decode<LeaderRecord>(get(paths::leader).entry.data)); }
  bool exists(const std::string& path) { return get(path).code == store::ReadCode::Ok; }

  // What the core of n1 sees and asks for.
  ClaimRequest request() {
    ClaimRequest request;
    request.permit.not_after = in_time();
    request.self = {"n1", "boot", 3};
    const auto now = get(paths::leader);
    if (now.code != store::ReadCode::Ok) return request;
    request.leader_version = now.entry.version;
    request.expected = leader();
    return request;
  }

  // As the host does it: in a handler of the loop that the plugin was given.
  template <class Call>
  Answer from_a_handler(Call call) {
    struct Context {
      Call call;
      std::optional<Answer> answer;
    };
    Context context{call, {}};
    auto handler = [](sd_event_source*, void* given) {
      auto& seen = *static_cast<Context*>(given);
      seen.answer = seen.call();
      return 0;
    };
    REQUIRE(sd_event_add_defer(host.loop(), nullptr, handler, &context) >= 0);
    REQUIRE(host.turn_until([&] { return context.answer.has_value(); }));
    return *context.answer;
  }
  Answer claim(const ClaimRequest& asked) {
    return from_a_handler([&] { return election.claim(asked); });
  }
  Answer vacate(const VacateRequest& asked) {
    return from_a_handler([&] { return election.vacate(asked); });
  }

  FakeHost host;
  std::shared_ptr<store::Local> local = store::Local::make();
  std::unique_ptr<store::Store> n1, n2;
  Roaming* elections = nullptr;
  Election election{[this](sd_event* loop, Host&) {
    auto store = std::make_unique<Roaming>(local->open(loop));
    elections = store.get();
    return store;
  }};
};

}  // namespace

TEST_CASE("the first claim makes epoch 1", "[election]") {
  Cluster cluster;
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{1, "n1", 3});
}

TEST_CASE("a vacant leadership is claimed with the next epoch", "[election]") {
  Cluster cluster;
  cluster.lead({7, "", 0});
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{8, "n1", 3});
}

TEST_CASE("a holder that lives is not replaced, one whose session is gone is", "[election]") {
  Cluster cluster;
  cluster.begin_life(*cluster.n2, "n2", 5);
  cluster.lead({7, "n2", 5});
  const auto answer = cluster.claim(cluster.request());
  CHECK(answer.outcome == Outcome::Refused);
  CHECK(answer.note == "the holder n2, incarnation 5 lives");
  CHECK(cluster.leader() == LeaderRecord{7, "n2", 5});

  cluster.local->expire(cluster.n2->session());
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{8, "n1", 3});
  CHECK(cluster.exists(paths::live_entry("n2", 5)));  // its last word stays (rule 11)
}

TEST_CASE("a holder whose entry is gone altogether is replaced", "[election]") {
  Cluster cluster;
  cluster.lead({7, "n2", 5});
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{8, "n1", 3});
}

TEST_CASE("this node's own older incarnation is a holder like another", "[election]") {
  Cluster cluster;
  cluster.begin_life(*cluster.n2, "n1", 2);
  cluster.lead({7, "n1", 2});
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Refused);
  cluster.local->expire(cluster.n2->session());
  CHECK(cluster.claim(cluster.request()).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{8, "n1", 3});
}

TEST_CASE("a stale holder is replaced while its session lives", "[election]") {
  Cluster cluster;
  cluster.begin_life(*cluster.n2, "n2", 5);
  cluster.lead({7, "n2", 5});
  auto request = cluster.request();
  request.holder_stale = true;
  CHECK(cluster.claim(request).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{8, "n1", 3});
  CHECK(cluster.exists(paths::live_session("n2", 5)));
}

TEST_CASE("what was decided on an older record is refused", "[election]") {
  Cluster cluster;
  SECTION("somebody created it") {
    const auto request = cluster.request();
    cluster.lead({1, "n2", 5});
    CHECK(cluster.claim(request).outcome == Outcome::Refused);
  }
  SECTION("somebody changed it") {
    cluster.lead({7, "", 0});
    const auto request = cluster.request();
    cluster.write(*cluster.n2, {store::Set{paths::leader, store::encode(LeaderRecord{8, "n2", 5})}});
    CHECK(cluster.claim(request).outcome == Outcome::Refused);
    CHECK(cluster.leader() == LeaderRecord{8, "n2", 5});
  }
}

TEST_CASE("without the own session, or after its time, nothing is claimed", "[election]") {
  Cluster cluster;
  auto request = cluster.request();
  SECTION("too late") { request.permit.not_after = store::boottime_now(); }
  SECTION("session gone") { cluster.write(*cluster.n1, {store::Remove{paths::live_session("n1", 3)}}); }
  SECTION("another incarnation") { request.self.incarnation = 4; }
  CHECK(cluster.claim(request).outcome == Outcome::Refused);
  CHECK_FALSE(cluster.exists(paths::leader));
}

TEST_CASE("a claim without a connection is unknown, at once", "[election]") {
  Cluster cluster;
  const auto request = cluster.request();
  cluster.local->disconnect(cluster.elections->session(), false);
  REQUIRE(cluster.host.turn_until([&] { return cluster.elections->state() == store::SessionState::Connecting; }));
  CHECK(cluster.claim(request).outcome == Outcome::Unknown);
}

TEST_CASE("leadership is given up only by whom it belongs to", "[election]") {
  Cluster cluster;
  cluster.lead({7, "n1", 3});
  CHECK(cluster.vacate({{in_time(), 6}, {"n1", "boot", 3}}).outcome == Outcome::Refused);
  CHECK(cluster.vacate({{in_time(), 7}, {"n1", "boot", 2}}).outcome == Outcome::Refused);
  CHECK(cluster.vacate({{in_time(), 7}, {"n2", "boot", 3}}).outcome == Outcome::Refused);
  CHECK(cluster.vacate({{store::boottime_now(), 7}, {"n1", "boot", 3}}).note == "the request came after its time");
  CHECK(cluster.leader() == LeaderRecord{7, "n1", 3});
  CHECK(cluster.vacate({{in_time(), 7}, {"n1", "boot", 3}}).outcome == Outcome::Done);
  CHECK(cluster.leader() == LeaderRecord{7, "", 0});
  CHECK(cluster.vacate({{in_time(), 7}, {"n1", "boot", 3}}).outcome == Outcome::Done);
}

TEST_CASE("a primary whose core is silent loses its leadership, one whose core decides keeps it", "[election]") {
  Cluster cluster;
  cluster.lead({7, "n1", 3});
  const auto publish = [&](Microseconds age) {
    LiveRecord live;
    live.units["core"] = {"running", age, ""};
    cluster.write(*cluster.n1, {store::Set{paths::live_entry("n1", 3), store::encode(live)}});
  };
  // A tick at work ends with one more answer of the store than it had before.
  const auto tick = [&] {
    cluster.election.tick();
    for (int turn = 0; turn < 10; ++turn) cluster.get(paths::leader);
  };
  publish(milliseconds(999));
  tick();
  CHECK(cluster.leader() == LeaderRecord{7, "n1", 3});
  publish(milliseconds(1001));
  tick();
  CHECK(cluster.leader() == LeaderRecord{7, "", 0});
  CHECK(cluster.host.logged("giving up epoch 7"));
}

TEST_CASE("another node's leadership is not this guard's business", "[election]") {
  Cluster cluster;
  cluster.lead({7, "n2", 3});
  for (int turn = 0; turn < 10; ++turn) {
    cluster.election.tick();
    cluster.get(paths::leader);
  }
  CHECK(cluster.leader() == LeaderRecord{7, "n2", 3});
}

TEST_CASE("a server that has not answered by the next look is left, one that has is not", "[election]") {
  Cluster cluster;
  cluster.election.tick();
  cluster.exists(paths::leader);  // the loop has turned
  cluster.election.tick();
  CHECK(cluster.elections->left == 0);
  cluster.election.tick();
  CHECK(cluster.elections->left == 1);
}

}  // namespace pvcd::election
