#include "backend_zookeeper.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace pvcd::store::test {
namespace {

// Long enough that only a test that wants a session to end sees it end.
constexpr Microseconds session_timeout = seconds(8);

// A server that has just begun may never close a connection.
constexpr timeval answer_limit{1, 0};

std::vector<std::string> words(const char* variable) {
  auto* text = std::getenv(variable);
  INFO(variable << " is not set: run this through tests/store/run_zookeeper");
  REQUIRE(text != nullptr);
  std::vector<std::string> result;
  std::istringstream list(text);
  for (std::string word; std::getline(list, word, ',');) result.push_back(word);
  return result;
}

}  // namespace

struct ZookeeperBackend::ProxiedClient : Client {
  explicit ProxiedClient(std::unique_ptr<Proxy> through) : proxy(std::move(through)) {}

  std::unique_ptr<Proxy> proxy;
  ZookeeperOptions options;
};

std::vector<Server> servers() {
  auto addresses = words("PVCD_TEST_ZOOKEEPER");
  auto pids = words("PVCD_TEST_ZOOKEEPER_PIDS");
  REQUIRE(addresses.size() == pids.size());
  std::vector<Server> result;
  for (std::size_t index = 0; index < addresses.size(); ++index) {
    auto port = addresses[index].substr(addresses[index].rfind(':') + 1);
    result.push_back({addresses[index], static_cast<std::uint16_t>(std::stoi(port)), std::stoi(pids[index])});
  }
  return result;
}

std::vector<std::string> server_command() { return words("PVCD_TEST_ZOOKEEPER_COMMAND"); }

std::string answer_of(std::uint16_t port, std::string_view question) {
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof answer_limit);
  std::string answer;
  char bytes[4096];
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      send(connection, question.data(), question.size(), MSG_NOSIGNAL) > 0)
    for (ssize_t count; (count = read(connection, bytes, sizeof bytes)) > 0;)
      answer.append(bytes, static_cast<std::size_t>(count));
  close(connection);
  return answer;
}

ZookeeperBackend::ZookeeperBackend() {
  std::string name = (std::filesystem::temp_directory_path() / "pvcd-store-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  directory_ = name;
  root_ = "/pvcd-test/" + name.substr(name.rfind('-') + 1);
}

ZookeeperBackend::~ZookeeperBackend() { std::filesystem::remove_all(directory_); }

std::string ZookeeperBackend::new_session_file() { return directory_ + "/session" + std::to_string(++files_); }

ZookeeperOptions ZookeeperBackend::options() {
  ZookeeperOptions options;
  for (const auto& server : servers()) options.servers.push_back(server.address);
  options.root = root_;
  options.session_timeout = session_timeout;
  options.credentials = "pvcd:secret";
  options.session_file = new_session_file();
  options.warn = [](const std::string& what) { FAIL(what); };
  return options;
}

std::unique_ptr<Client> ZookeeperBackend::open_direct(ZookeeperOptions options) {
  auto client = std::make_unique<Client>();
  client->store = open_zookeeper(loop(), options);
  record_states(*client);
  return client;
}

// Clients of one case use different servers, as those on different nodes do.
std::unique_ptr<Client> ZookeeperBackend::open() {
  std::vector<std::uint16_t> ports;
  for (const auto& server : servers()) ports.push_back(server.port);
  std::rotate(ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(files_ % ports.size()), ports.end());
  auto client = std::make_unique<ProxiedClient>(std::make_unique<Proxy>(loop(), ports));
  client->options = options();
  client->options.servers = {"127.0.0.1:" + std::to_string(client->proxy->port())};
  client->store = open_zookeeper(loop(), client->options);
  record_states(*client);
  return client;
}

std::unique_ptr<Client> ZookeeperBackend::restart(std::unique_ptr<Client> client) {
  auto& old = dynamic_cast<ProxiedClient&>(*client);
  old.store.reset();
  auto next = std::make_unique<ProxiedClient>(std::move(old.proxy));
  next->options = old.options;
  next->store = open_zookeeper(loop(), next->options);
  record_states(*next);
  return next;
}

void ZookeeperBackend::cut(Client& client, Cut kind) {
  auto& proxy = *dynamic_cast<ProxiedClient&>(client).proxy;
  switch (kind) {
    case Cut::Requests:
      return proxy.refuse();
    case Cut::Replies:
      return proxy.swallow();
    case Cut::Stall:
      return proxy.stall();
  }
}

void ZookeeperBackend::heal(Client& client) { dynamic_cast<ProxiedClient&>(client).proxy->let_through(); }

// Whoever has the secret of a session can end it: take a copy of the file, resume from it, close. The owner is kept
// away meanwhile, or it would take its session back.
void ZookeeperBackend::expire(Client& client) {
  auto& owner = dynamic_cast<ProxiedClient&>(client);
  auto thief_options = options();
  std::filesystem::copy_file(owner.options.session_file, thief_options.session_file);
  bool was_connected = owner.proxy->lets_through();
  owner.proxy->refuse();
  auto thief = open_direct(thief_options);
  REQUIRE(until([&] { return thief->store->state() == SessionState::Connected; }));
  thief->store->close();
  if (was_connected) owner.proxy->let_through();
}

std::unique_ptr<Backend> make_backend() { return std::make_unique<ZookeeperBackend>(); }

}  // namespace pvcd::store::test
