#include "backend.hpp"

namespace pvcd::store::test {
namespace {

struct LocalClient : Client {
  std::uint64_t first_session = 0;  // while it is not connected yet

  std::uint64_t session() const { return store->session() != 0 ? store->session() : first_session; }
};

std::uint64_t session_of(const Client& client) { return dynamic_cast<const LocalClient&>(client).session(); }

class LocalBackend : public Backend {
 public:
  std::unique_ptr<Client> open() override { return with(local_->open(loop()), 0); }

  std::unique_ptr<Client> restart(std::unique_ptr<Client> client) override {
    auto session = session_of(*client);
    client.reset();
    return with(local_->resume(loop(), session), session);
  }

  void cut(Client& client, Cut kind) override {
    if (kind == Cut::Stall) return local_->stall_server(session_of(client));
    local_->disconnect(session_of(client), kind == Cut::Replies);
  }
  void heal(Client& client) override { local_->reconnect(session_of(client)); }
  void expire(Client& client) override { local_->expire(session_of(client)); }

 private:
  static std::unique_ptr<Client> with(std::unique_ptr<Store> store, std::uint64_t session) {
    auto client = std::make_unique<LocalClient>();
    client->store = std::move(store);
    client->first_session = session;
    record_states(*client);
    return client;
  }

  std::shared_ptr<Local> local_ = Local::make();
};

}  // namespace

std::unique_ptr<Backend> make_backend() { return std::make_unique<LocalBackend>(); }

}  // namespace pvcd::store::test
