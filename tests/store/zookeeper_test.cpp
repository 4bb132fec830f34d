// What only the ZooKeeper back end can do wrong: hung servers, credentials, the session file, a loop that stalls.
#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "backend_zookeeper.hpp"
#include "sdk/plugin.hpp"
#include "store/request.hpp"

using namespace pvcd;
using namespace pvcd::store;
using namespace pvcd::store::test;

namespace {

std::atomic<bool> late_name_is_known = false;

}  // namespace

// In place of the C library's, with a name of our own.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
  static const auto real = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (std::string_view(host) != "late.invalid") return real(host, service, hints, found);
  return late_name_is_known ? real("127.0.0.1", service, hints, found) : EAI_AGAIN;
}

namespace {

// The server that this process is connected to; there must be one client only.
std::optional<Server> connected_server() {
  auto all = servers();
  for (int file = 3; file < 256; ++file) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(file, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET) continue;
    for (const auto& server : all)
      if (server.port == ntohs(peer.sin_port)) return server;
  }
  return std::nullopt;
}

bool leads(const Server& server) { return answer_of(server.port, "srvr").find("Mode: leader") != std::string::npos; }

bool serves(const Server& server) { return answer_of(server.port, "srvr").find("Mode: ") != std::string::npos; }

bool all_threads_stopped(pid_t pid) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream file(thread.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.substr(text.rfind(')') + 2, 1) != "T") return false;
  }
  return true;
}

// The signal takes a moment to reach every thread, in which a server can still answer.
class Stopped {
 public:
  explicit Stopped(const Server& server) : pid_(server.pid) {
    REQUIRE(kill(pid_, SIGSTOP) == 0);
    while (!all_threads_stopped(pid_)) usleep(1000);
  }
  ~Stopped() { kill(pid_, SIGCONT); }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  pid_t pid_;
};

struct HungServer {
  Microseconds write_again = 0;  // from next_server() to a completed write
  CommitCode pending = CommitCode::Ok;
};

// The server the client is on hangs with a write under way; the client changes server until a write completes.
HungServer change_away(ZookeeperBackend& backend, Client& client, const Server& hung, Microseconds patience) {
  Stopped stopped(hung);
  HungServer outcome;
  bool answered = false;
  client.store->commit({Set{"/vms/a", "pending"}}, [&](const CommitResult& result) {
    outcome.pending = result.code;
    answered = true;
  });
  CHECK_FALSE(backend.until([&] { return answered; }, milliseconds(300)));  // it does hang
  auto begin = boottime_now();
  client.store->next_server();
  REQUIRE(backend.until([&] { return answered; }));
  bool written = false;
  while (!written && boottime_now() - begin < deadline) {
    auto told = std::make_shared<std::optional<CommitResult>>();
    client.store->commit({Set{"/vms/a", "again"}}, [told](const CommitResult& each) { *told = each; });
    if (!backend.until([&] { return told->has_value(); }, patience)) client.store->next_server();
    written = told->has_value() && (*told)->code == CommitCode::Ok;
  }
  REQUIRE(written);
  outcome.write_again = boottime_now() - begin;
  return outcome;
}

std::unique_ptr<Client> connected(ZookeeperBackend& backend, const ZookeeperOptions& options) {
  auto client = backend.open_direct(options);
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  return client;
}

// Reconnects until the client is on a server of the wanted kind.
Server settle_on(ZookeeperBackend& backend, Client& client, bool leader) {
  std::optional<Server> server;
  REQUIRE(backend.until([&] {
    server = client.store->state() == SessionState::Connected ? connected_server() : std::nullopt;
    if (!server) return false;
    if (leads(*server) == leader) return true;
    client.store->next_server();
    backend.until([&] { return client.store->state() != SessionState::Connected; });
    return false;
  }));
  return *server;
}

bool all_serving() {
  auto all = servers();
  return std::all_of(all.begin(), all.end(), serves);
}

}  // namespace

TEST_CASE("A hung follower is left within a second, with the same session") {
  ZookeeperBackend backend;
  auto client = connected(backend, backend.options());
  auto session = client->store->session();
  REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}, Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  auto server = settle_on(backend, *client, false);
  auto outcome = change_away(backend, *client, server, seconds(1));
  CHECK(outcome.pending == CommitCode::Unknown);
  CHECK(outcome.write_again < seconds(1));
  CHECK(client->store->session() == session);
  CHECK(backend.get(*client, "/nodes/n1").entry.ephemeral_owner == session);
  CHECK(std::count(client->states.begin(), client->states.end(), SessionState::Expired) == 0);
}

TEST_CASE("A hung leader costs an election, not the session") {
  ZookeeperBackend backend;
  auto client = connected(backend, backend.options());
  auto session = client->store->session();
  REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}, Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  auto server = settle_on(backend, *client, true);
  auto outcome = change_away(backend, *client, server, seconds(1));
  CHECK(outcome.pending == CommitCode::Unknown);
  CHECK(client->store->session() == session);
  CHECK(backend.get(*client, "/nodes/n1").entry.ephemeral_owner == session);
  REQUIRE(backend.until(all_serving));
}

TEST_CASE("Changing server again and again loses no session and no file descriptor") {
  ZookeeperBackend backend;
  REQUIRE(backend.until(all_serving));
  auto client = connected(backend, backend.options());
  auto session = client->store->session();
  REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  auto open_files = [] {
    std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  auto before = open_files();
  std::vector<std::uint16_t> ports;
  for (int round = 0; round < 12; ++round) {
    client->store->next_server();
    REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connecting; }));
    CHECK(client->store->server_address().empty());
    REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
    REQUIRE(backend.commit(*client, {Set{"/vms/a", std::to_string(round)}}).code == CommitCode::Ok);
    ports.push_back(connected_server()->port);
    CHECK(client->store->server_address() == "127.0.0.1");
  }
  CHECK(std::adjacent_find(ports.begin(), ports.end()) == ports.end());  // really another one each time
  CHECK(client->store->session() == session);
  CHECK(open_files() == before);
}

TEST_CASE("With two servers, a hung one is left for the other") {
  ZookeeperBackend backend;
  auto options = backend.options();
  options.servers.clear();
  REQUIRE(backend.until(all_serving));
  for (const auto& server : servers())
    if (!leads(server)) options.servers.push_back(server.address);
  REQUIRE(options.servers.size() == 2);
  auto client = connected(backend, options);
  auto session = client->store->session();
  REQUIRE(backend.commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(backend.until(all_serving));  // the one that hung before has to find back, or there would be no quorum
    auto hung = *connected_server();
    change_away(backend, *client, hung, milliseconds(500));
    CHECK(connected_server()->port != hung.port);
  }
  CHECK(client->store->session() == session);
}

TEST_CASE("Somebody with other credentials is denied") {
  ZookeeperBackend backend;
  auto owner = connected(backend, backend.options());
  REQUIRE(backend.commit(*owner, {Create{"/vms/a", "secret"}}).code == CommitCode::Ok);
  auto options = backend.options();
  options.credentials = "pvcd:wrong";
  std::string why;
  options.warn = [&](const std::string& what) { why += what; };
  auto stranger = backend.open_direct(options);
  REQUIRE(backend.until([&] { return stranger->store->state() == SessionState::Denied; }));
  CHECK_THAT(why, Catch::Contains(options.root + " belongs to other credentials"));
  CHECK(backend.get(*stranger, "/vms/a").code == ReadCode::Denied);
  CHECK(backend.list(*stranger, "/vms").code == ReadCode::Denied);
  auto refused = backend.commit(*stranger, {store::Check{"/"}, Create{"/vms/b", ""}});
  CHECK(refused.code == CommitCode::Denied);
  CHECK(backend.commit(*stranger, {Set{"/vms/a", "mine"}}).code == CommitCode::Denied);
  CHECK(backend.commit(*stranger, {store::Remove{"/vms/a"}}).code == CommitCode::Denied);
  CHECK(backend.get(*owner, "/vms/a").entry.data == "secret");
  CHECK(backend.get(*owner, "/vms/a").entry.version == 0);
}

TEST_CASE("A second cluster that the first one's directory keeps out is told so") {
  ZookeeperBackend backend;
  auto first = connected(backend, backend.options());
  auto options = backend.options();
  options.root += "/second";  // below what belongs to the first
  options.credentials = "second:secret";
  std::string why;
  options.warn = [&](const std::string& what) { why += what; };
  auto second = backend.open_direct(options);
  REQUIRE(backend.until([&] { return second->store->state() == SessionState::Denied; }));
  CHECK_THAT(why, Catch::Contains(backend.root() + " belongs to other") && Catch::Contains("create " + options.root));
  second.reset();
  options.credentials = backend.options().credentials;
  CHECK(connected(backend, options)->store->state() == SessionState::Connected);
}

TEST_CASE("The session file is private, locked while in use, and gone after close") {
  ZookeeperBackend backend;
  auto options = backend.options();
  auto client = connected(backend, options);
  struct stat status {};
  REQUIRE(stat(options.session_file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK_THROWS_WITH(open_zookeeper(backend.loop(), options), Catch::Contains(options.session_file));
  client->store->close();
  CHECK_FALSE(std::filesystem::exists(options.session_file));
  client.reset();
  CHECK_NOTHROW(open_zookeeper(backend.loop(), options));
}

TEST_CASE("A damaged session file means a new session") {
  ZookeeperBackend backend;
  auto options = backend.options();
  for (auto text : {"", "12", "x y", "12 zz", "12 00"}) {
    auto* file = std::fopen(options.session_file.c_str(), "w");
    std::fputs(text, file);
    std::fclose(file);
    auto client = connected(backend, options);
    CHECK(client->states == std::vector<SessionState>{SessionState::Connected});
    client->store->close();
  }
}

// A host without power: what is sent to it is neither answered nor refused. A full queue of connections does the same.
class DeadServer {
 public:
  DeadServer() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    socklen_t size = sizeof address_;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address_), size) == 0);
    REQUIRE(listen(listener_, 0) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size) == 0);
    while (connects()) REQUIRE(callers_.size() < 16);
  }
  ~DeadServer() {
    for (int caller : callers_) ::close(caller);
    ::close(listener_);
  }
  DeadServer(const DeadServer&) = delete;
  DeadServer& operator=(const DeadServer&) = delete;

  std::string address() const { return "127.0.0.2:" + std::to_string(ntohs(address_.sin_port)); }

 private:
  bool connects() {
    callers_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(callers_.back(), reinterpret_cast<sockaddr*>(&address_), sizeof address_);
    pollfd one{callers_.back(), POLLOUT, 0};
    return poll(&one, 1, 500) == 1;
  }

  int listener_ = -1;
  sockaddr_in address_{};
  std::vector<int> callers_;
};

TEST_CASE("A server that does not answer at all is not waited for as long as a session lasts") {
  ZookeeperBackend backend;
  DeadServer dead;
  auto options = backend.options();
  options.session_timeout = 2 * deadline;  // the library's own limit is two thirds of it
  // Whatever their order, a dead one is the next.
  options.servers = {dead.address(), dead.address(), servers().front().address};
  auto client = connected(backend, options);
  client->store->next_server();
  REQUIRE(backend.until([&] { return client->store->state() != SessionState::Connected; }));
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(backend.commit(*client, {Create{"/vms/a", ""}}).code == CommitCode::Ok);
}

TEST_CASE("A server whose name has no address yet is named, and used as soon as it has one") {
  ZookeeperBackend backend;
  Proxy proxy(backend.loop(), {servers()[0].port});
  const std::string late = "late.invalid:" + std::to_string(servers()[1].port);
  auto options = backend.options();
  options.session_timeout = 2 * deadline;
  options.servers = {late, "127.0.0.1:" + std::to_string(proxy.port())};
  std::vector<std::string> warnings;
  options.warn = [&](const std::string& what) { warnings.push_back(what); };
  auto client = connected(backend, options);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings.front(), Catch::Contains(late));
  auto session = client->store->session();
  proxy.refuse();
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connecting; }));
  CHECK_FALSE(backend.until([&] { return client->store->state() == SessionState::Connected; }, milliseconds(200)));
  late_name_is_known = true;
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(client->store->session() == session);
  CHECK(connected_server()->port == servers()[1].port);
  late_name_is_known = false;
  options.servers = {late};
  CHECK_THROWS_WITH(open_zookeeper(backend.loop(), options), Catch::Contains("store.servers"));
}

TEST_CASE("Closing ends the session at once, also with requests under way") {
  ZookeeperBackend backend;
  auto other = connected(backend, backend.options());
  for (int round = 0; round < 5; ++round) {
    auto client = connected(backend, backend.options());
    REQUIRE(backend.commit(*client, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
    for (int number = 0; number < 100; ++number) client->store->get("/vms", {});
    auto begin = boottime_now();
    client->store->close();
    CHECK(boottime_now() - begin < seconds(1));
    REQUIRE(backend.sync(*other) == ReadCode::Ok);
    REQUIRE(backend.get(*other, "/nodes/n1").code == ReadCode::NoEntry);
  }
}

TEST_CASE("A stalled loop loses its session, and learns it when it turns again") {
  ZookeeperBackend backend;
  auto options = backend.options();
  options.session_timeout = milliseconds(1000);
  auto client = connected(backend, options);
  CHECK(client->store->session_timeout() == milliseconds(1000));
  auto session = client->store->session();
  REQUIRE(backend.commit(*client, {Create{"/nodes/n1", "", true}}).code == CommitCode::Ok);
  usleep(3'000'000);  // the stall
  client->states.clear();
  REQUIRE(backend.until([&] { return client->store->session() != session && client->store->session() != 0; }));
  CHECK(std::count(client->states.begin(), client->states.end(), SessionState::Expired) == 1);
  CHECK(backend.get(*client, "/nodes/n1").code == ReadCode::NoEntry);
}

TEST_CASE("The negotiated session timeout is told, not the wanted one, and by each server anew") {
  ZookeeperBackend backend;
  Proxy less(backend.loop(), {servers()[2].port});
  less.refuse();
  auto options = backend.options();
  options.session_timeout = seconds(3600);
  options.servers = {servers()[0].address, "127.0.0.1:" + std::to_string(less.port())};
  auto client = backend.open_direct(options);
  CHECK(client->store->session_timeout() == 0);
  REQUIRE(backend.until([&] { return client->store->state() == SessionState::Connected; }));
  CHECK(client->store->session_timeout() == seconds(60));  // maxSessionTimeout of the server
  const auto session = client->store->session();
  less.let_through();
  REQUIRE(backend.until([&] {
    if (client->store->state() != SessionState::Connected) return false;
    if (connected_server()->port == servers()[2].port) return true;
    client->store->next_server();
    return backend.until([&] { return client->store->state() != SessionState::Connected; }), false;
  }));
  CHECK(client->store->session() == session);
  CHECK(client->store->session_timeout() == seconds(30));
}

TEST_CASE("Wrong options are refused by name") {
  ZookeeperBackend backend;
  auto broken = [&](auto change) {
    auto options = backend.options();
    change(options);
    open_zookeeper(backend.loop(), options);
  };
  CHECK_THROWS_WITH(broken([](auto& options) { options.servers = {"nohost"}; }), Catch::Contains("nohost"));
  CHECK_THROWS_AS(broken([](auto& options) { options.servers = {}; }), Error);
  CHECK_THROWS_WITH(broken([](auto& options) { options.root = "pvcd/"; }), Catch::Contains("pvcd/"));
  CHECK_THROWS_WITH(broken([](auto& options) { options.credentials = "hunter2"; }), !Catch::Contains("hunter2"));
  CHECK_THROWS_WITH(broken([](auto& options) { options.session_file = "/nowhere/file"; }),
                    Catch::Contains("/nowhere/file"));
}
