#include "plugins/keepalive/heartbeat.hpp"

#include <catch2/catch.hpp>
#include <utility>

#include "tests/unit/fake_host.hpp"

namespace pvcd::keepalive {
namespace {

using store::boottime_now;

// A store whose answers are the test's.
class Silent : public store::Store {
 public:
  void commit(std::vector<store::Operation>, store::Committed done) override {
    sent_at = boottime_now();
    asked = std::move(done);
  }
  void get(const std::string&, store::Read, store::Changed) override {}
  void get_existing(const std::string&, store::Read, store::Changed) override {}
  void list(const std::string&, store::Read, store::Changed) override {}
  void sync(std::function<void(store::ReadCode)>) override {}
  sd_event* loop() const override { return nullptr; }
  store::SessionState state() const override { return store::SessionState::Connected; }
  std::uint64_t session() const override { return 1; }
  Microseconds session_timeout() const override { return 0; }
  void on_state(std::function<void(store::SessionState)>) override {}
  void next_server() override { left_at = boottime_now(); }
  std::string server_address() const override { return {}; }
  void close() override {}

  void answer() { std::exchange(asked, {})({store::CommitCode::Ok, 0, {}, {}, sent_at}); }

  store::Committed asked;
  Instant sent_at = 0;
  Instant left_at = 0;
};

}  // namespace

TEST_CASE("a beat between two others has as long to be answered as they have", "[keepalive]") {
  constexpr Microseconds interval = milliseconds(300);
  test::FakeHost host;
  Silent silent;
  HeartbeatCalls calls;
  calls.snapshot = [] { return LiveRecord{}; };
  calls.proven = [](Instant) {};
  calls.stalled = [](std::string_view) {};
  Heartbeat heartbeat(host.loop(), silent, std::move(calls));
  heartbeat.begin({"n1", "boot", 1}, 0, interval);
  const Instant first_sent_at = silent.sent_at;
  silent.answer();
  const Instant soon = boottime_now() + interval / 2;
  REQUIRE(host.turn_until([&] { return boottime_now() >= soon; }));
  heartbeat.beat_now();  // as on a new connection
  REQUIRE(host.turn_until([&] { return silent.left_at != 0; }));
  REQUIRE(silent.sent_at > first_sent_at);
  CHECK(silent.left_at >= silent.sent_at + interval);
}

}  // namespace pvcd::keepalive
