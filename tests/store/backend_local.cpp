#include "backend.hpp"

namespace pvcd::store::test {
namespace {

class LocalBackend : public Backend {
 public:
  std::unique_ptr<Client> open() override { return with(local_->open(loop())); }

  std::unique_ptr<Client> restart(std::unique_ptr<Client> client) override {
    auto session = client->store->session();
    client.reset();
    return with(local_->resume(loop(), session));
  }

  void cut(Client& client, Cut kind) override { local_->disconnect(client.store->session(), kind == Cut::Replies); }
  void heal(Client& client) override { local_->reconnect(client.store->session()); }
  void expire(Client& client) override { local_->expire(client.store->session()); }

 private:
  static std::unique_ptr<Client> with(std::unique_ptr<Store> store) {
    auto client = std::make_unique<Client>();
    client->store = std::move(store);
    record_states(*client);
    return client;
  }

  std::shared_ptr<Local> local_ = Local::make();
};

}  // namespace

std::unique_ptr<Backend> make_backend() { return std::make_unique<LocalBackend>(); }

}  // namespace pvcd::store::test
