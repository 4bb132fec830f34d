// The whole plugin on the store in memory.
#include "plugins/keepalive/keepalive.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "sdk/proof.hpp"
#include "sdk/self_fence.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"
#include "tests/unit/fake_host.hpp"

namespace pvcd::keepalive {
namespace {

using test::FakeHost;
using test::Folder;

struct Cluster {
  Cluster() {
    setenv("PVCD_RUN_DIR", folder.path.c_str(), 1);
    host.values.texts = {{"node.name", "n1"}, {"node.system_uuid", "uuid-1"}};
    host.values.numbers = {{"store.session_timeout_ms", 6000}};
    observer = local->open(host.loop());
  }
  ~Cluster() { unsetenv("PVCD_RUN_DIR"); }

  // A process of the keepalive; `session` of a former one, or 0.
  std::unique_ptr<Keepalive> process(std::uint64_t session = 0) {
    auto open = [this, session](sd_event* loop, Host&, const std::string&) {
      auto store = session ? local->resume(loop, session) : local->open(loop);
      last = store.get();
      return store;
    };
    auto keepalive = std::make_unique<Keepalive>(open);
    keepalive->start(host);
    return keepalive;
  }

  std::optional<std::string> data(const std::string& path) {
    std::optional<store::ReadResult> result;
    observer->get(path, [&](const auto& answer) { result = answer; });
    REQUIRE(host.turn_until([&] { return result.has_value(); }));
    REQUIRE(result->code != store::ReadCode::Unknown);
    return result->code == store::ReadCode::Ok ? std::optional(result->entry.data) : std::nullopt;
  }
  template <class Record>
  std::optional<Record> read(const std::string& path) {
    auto text = data(path);
    return text ? std::optional(std::get<Record>(store::decode<Record>(*text))) : std::nullopt;
  }
  void write(std::vector<store::Operation> operations) {
    std::optional<store::CommitCode> code;
    observer->commit(std::move(operations), [&](const auto& result) { code = result.code; });
    REQUIRE(host.turn_until([&] { return code.has_value(); }));
    REQUIRE(*code == store::CommitCode::Ok);
  }
  // Of its first life, by n2, whose off may be on its way: it does not get in again meanwhile.
  void begin_fence() {
    FenceRecord fence;
    fence.victim = {"n1", live(1)->boot, 1};
    fence.phase = FencePhase::Acting;
    fence.by = "n2";
    write({store::Create{"/fences/n1", store::encode(fence)}});
    local->expire(last->session());
  }
  std::optional<LiveRecord> live(Incarnation incarnation) {
    return read<LiveRecord>(store::paths::live_entry("n1", incarnation));
  }
  bool session_lives(Incarnation incarnation) {
    return data(store::paths::live_session("n1", incarnation)).has_value();
  }

  std::optional<Proof> proof() const {
    std::stringstream text;
    text << std::ifstream(folder.path / "proof").rdbuf();
    return decode_proof(text.str());
  }
  bool proves(Incarnation incarnation) const {
    auto found = proof();
    return found && found->life.incarnation == incarnation;
  }
  bool joined(Incarnation incarnation) {
    return host.turn_until([&] { return proves(incarnation); });
  }

  void send(const std::string& datagram) const {
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder.path / "ages").string().copy(address.sun_path, sizeof address.sun_path - 1);
    const auto sent = ::sendto(socket, datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                               sizeof address);
    CHECK(sent == static_cast<ssize_t>(datagram.size()));
    ::close(socket);
  }

  Folder folder;
  FakeHost host;
  std::shared_ptr<store::Local> local = store::Local::make();
  std::unique_ptr<store::Store> observer;
  store::Store* last = nullptr;
};

}  // namespace

TEST_CASE("it joins, its counter moves, and each write renews the proof", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  const auto first = *cluster.proof();
  const auto counter = cluster.live(1)->counter;
  CHECK(counter > 0);
  CHECK(cluster.session_lives(1));
  CHECK(cluster.read<NodeRecord>("/nodes/n1")->system_uuid == "uuid-1");
  REQUIRE(cluster.host.turn_until([&] { return cluster.proof() != first; }));
  CHECK(cluster.proof()->sent_at > first.sent_at);
  CHECK(cluster.live(1)->counter > counter);
  CHECK(cluster.host.facts["incarnation"] == "1");
  keepalive->stop();
}

TEST_CASE("it beats beside the store to the addresses that the coordinators have in the store", "[keepalive]") {
  Cluster cluster;
  const int listener = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  cluster.host.values.texts["cluster.name"] = "lab";
  cluster.host.values.lists["cluster.coordinators"] = {"n1", "n2"};
  cluster.host.values.numbers["cluster.beat_port"] = ntohs(address.sin_port);
  NodeRecord n2;
  n2.name = "n2";
  n2.addresses = {"no address", "127.0.0.1"};
  cluster.write({store::Create{store::paths::under(store::paths::nodes, "n2"), store::encode(n2), false, false}});
  auto keepalive = cluster.process();
  std::vector<Beat> heard;
  REQUIRE(cluster.host.turn_until([&] {
    char buffer[512];
    const auto length = ::recv(listener, buffer, sizeof buffer, 0);
    if (length > 0)
      if (const auto beat = decode_beat({buffer, static_cast<std::size_t>(length)})) heard.push_back(*beat);
    return heard.size() >= 3;
  }));
  CHECK(heard.front().cluster == "lab");
  CHECK(heard.front().node == "n1");
  CHECK(heard.front().incarnation == 1);
  keepalive->stop();
  ::close(listener);
}

TEST_CASE("a process that follows resumes the session and keeps the incarnation", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  const auto session = cluster.last->session();
  const auto counter = cluster.live(1)->counter;

  keepalive->stop();
  keepalive = cluster.process(session);
  REQUIRE(cluster.host.turn_until([&] { return cluster.live(1)->counter > counter; }));
  CHECK(cluster.host.facts["join"] == "resumed");
  CHECK(cluster.read<NodeRecord>("/nodes/n1")->incarnation == 1);
  keepalive->stop();
}

TEST_CASE("after its session has expired it is a new incarnation, and the old entry is gone", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.local->expire(cluster.last->session());
  REQUIRE(cluster.joined(2));
  CHECK(cluster.read<NodeRecord>("/nodes/n1")->incarnation == 2);
  CHECK(cluster.host.turn_until([&] { return !cluster.live(1); }));
  keepalive->stop();
}

TEST_CASE("cut off, it proves nothing; back again with its session, it goes on", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.local->disconnect(cluster.last->session(), true);
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.facts["session"] == "connecting"; }));
  const auto before = cluster.proof();
  const Instant end = store::boottime_now() + milliseconds(2500);  // two heartbeats are due
  REQUIRE(cluster.host.turn_until([&] { return store::boottime_now() > end; }));
  CHECK(cluster.proof() == before);
  cluster.local->reconnect(cluster.last->session());
  REQUIRE(cluster.host.turn_until([&] { return cluster.proof() != before; }));
  CHECK(cluster.proves(1));
  keepalive->stop();
}

TEST_CASE("a life that evidence has buried loses its proof, and this boot does not join again", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  const auto boot = cluster.live(1)->boot;
  // As power evidence does it: the session goes, the entry may stay.
  cluster.write({store::Create{"/evidence/" + boot, store::encode(EvidenceRecord{})},
                 store::Remove{store::paths::live_session("n1", 1)}});
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.logged("has to reboot"); }));
  CHECK_FALSE(cluster.proof());
  CHECK(cluster.read<NodeRecord>("/nodes/n1")->incarnation == 1);
  keepalive->stop();
}

TEST_CASE("a life that was buried without evidence is followed by a new incarnation", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.write({store::Remove{store::paths::live_session("n1", 1)}, store::Remove{store::paths::live_entry("n1", 1)}});
  REQUIRE(cluster.joined(2));
  keepalive->stop();
}

TEST_CASE("a fence that has begun is waited for, until it is settled", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.begin_fence();
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.logged("waiting for the fence by n2"); }));
  CHECK_FALSE(cluster.proof());
  cluster.write({store::Remove{"/fences/n1"}});
  REQUIRE(cluster.joined(2));
  keepalive->stop();
}

TEST_CASE("ages are published, garbage is ignored and told once", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  for (int count = 0; count < 5; ++count) cluster.send("nonsense");
  cluster.send(std::string(4000, 'x'));
  cluster.send(encode_age({"core", "running", "all well"}));
  REQUIRE(cluster.host.turn_until([&] { return cluster.live(1)->units.contains("core"); }));
  const auto live = *cluster.live(1);
  CHECK(live.units.size() == 1);
  CHECK(live.units.at("core").note == "all well");
  CHECK(live.daemon_state == DaemonState::Run);
  CHECK(live.memory_free > 0);
  const auto& journal = cluster.host.journal;
  const auto told = journal.find("ignored a datagram");
  REQUIRE(told != std::string::npos);
  CHECK(journal.find("ignored a datagram", told + 1) == std::string::npos);
  keepalive->stop();
}

TEST_CASE("after an orderly shutdown the last word is left in the store and the session ends", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.send(encode_age({"core", "shutdown", ""}));
  REQUIRE(cluster.host.turn_until([&] { return cluster.live(1)->daemon_state == DaemonState::Shutdown; }));

  bool stopped = false;  // as the host does it: out of a handler of its loop
  auto stop = [](sd_event_source*, void* context) {
    auto& [process, done] = *static_cast<std::pair<Keepalive*, bool*>*>(context);
    process->stop();
    *done = true;
    return 0;
  };
  std::pair context{keepalive.get(), &stopped};
  REQUIRE(sd_event_add_defer(cluster.host.loop(), nullptr, stop, &context) >= 0);
  REQUIRE(cluster.host.turn_until([&] { return stopped; }));

  const auto state = cluster.live(1)->daemon_state;
  CHECK((state == DaemonState::Stop || state == DaemonState::Left));
  CHECK_FALSE(cluster.session_lives(1));
  CHECK_FALSE(cluster.proof());
}

TEST_CASE("stopped before it is in again, it goes in first and leaves its last word", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.begin_fence();
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.logged("waiting for the fence"); }));
  cluster.send(encode_age({"core", "shutdown", ""}));
  cluster.send("read after it");
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.logged("ignored a datagram"); }));
  SECTION("what kept it out is over") {
    cluster.write({store::Remove{"/fences/n1"}});
    keepalive->stop();
    REQUIRE(cluster.live(2));
    CHECK(is_leaving(cluster.live(2)->daemon_state));
    CHECK_FALSE(cluster.session_lives(2));
    CHECK(cluster.host.logged("left the cluster"));
    CHECK_FALSE(cluster.host.logged("did not take the last word"));
  }
  SECTION("it is kept out: it says so, and leaves its session to the next process") {
    keepalive->stop();
    CHECK_FALSE(cluster.live(2));
    CHECK(cluster.host.logged("did not take the last word"));
  }
  CHECK_FALSE(cluster.proof());
}

TEST_CASE("a restart of this unit alone leaves session and proof alone", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  cluster.send(encode_age({"core", "running", ""}));
  REQUIRE(cluster.host.turn_until([&] { return cluster.live(1)->daemon_state == DaemonState::Run; }));
  keepalive->stop();
  CHECK(cluster.session_lives(1));
  CHECK(cluster.live(1)->daemon_state == DaemonState::Run);
  CHECK(cluster.proves(1));
}

TEST_CASE("a session that is granted shorter than asked for is not used", "[keepalive]") {
  Cluster cluster;
  cluster.host.values.numbers["store.session_timeout_ms"] = 9000;
  auto keepalive = cluster.process();
  REQUIRE(cluster.host.turn_until([&] { return cluster.host.logged("6000 ms"); }));
  CHECK(cluster.host.logged("9000 ms"));
  CHECK_FALSE(cluster.data("/nodes/n1"));
  keepalive->stop();
}

TEST_CASE("it publishes what the helper says of the watchdog, and that it is not armed before it leaves",
          "[keepalive]") {
  Cluster cluster;
  cluster.host.values.texts["self_fence.mode"] = self_fence_by_watchdog;
  const auto words_in_store = [&] { return cluster.live(1)->self_fence; };
  std::ofstream(cluster.folder.path / disarm_file) << "of a former process";
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  CHECK_FALSE(std::filesystem::exists(cluster.folder.path / disarm_file));
  REQUIRE(words_in_store());
  CHECK_FALSE(words_in_store()->armed);
  CHECK(words_in_store()->note == "pvcd-watchdog.service does not run");

  const SelfFence armed{true, seconds(4), seconds(10), {}};
  const BootId boot = cluster.proof()->life.boot;
  std::ofstream(cluster.folder.path / self_fence_file) << encode_self_fence(boot, armed);
  REQUIRE(cluster.host.turn_until([&] { return words_in_store() == armed; }));
  SECTION("only this unit ends: nothing is permitted") {
    keepalive->stop();
    CHECK(words_in_store() == armed);
    CHECK_FALSE(std::filesystem::exists(cluster.folder.path / disarm_file));
  }
  SECTION("the node leaves") {
    cluster.send(encode_age({"core", "running", ""}));
    cluster.send(encode_age({"core", "shutdown", ""}));
    REQUIRE(cluster.host.turn_until([&] { return cluster.live(1)->daemon_state == DaemonState::Shutdown; }));
    keepalive->stop();
    REQUIRE(words_in_store());
    CHECK_FALSE(words_in_store()->armed);
    std::stringstream permit;
    permit << std::ifstream(cluster.folder.path / disarm_file).rdbuf();
    CHECK(permits_disarm(permit.str(), boot));
  }
}

TEST_CASE("a node that does not fence itself says nothing of it", "[keepalive]") {
  Cluster cluster;
  auto keepalive = cluster.process();
  REQUIRE(cluster.joined(1));
  CHECK_FALSE(cluster.live(1)->self_fence);
  keepalive->stop();
}

}  // namespace pvcd::keepalive
