#include "backend.hpp"

#include <optional>

#include "store/request.hpp"

namespace pvcd::store::test {

bool Backend::until(const std::function<bool()>& condition, Microseconds limit) {
  auto end = boottime_now() + limit;
  while (!condition()) {
    auto now = boottime_now();
    if (now >= end) return false;
    REQUIRE(sd_event_run(loop_, std::min(end - now, milliseconds(50))) >= 0);
  }
  return true;
}

void Backend::record_states(Client& client) {
  client.store->on_state([&client](SessionState state) { client.states.push_back(state); });
}

std::unique_ptr<Client> Backend::connected() {
  auto client = open();
  REQUIRE(until([&] { return client->store->state() == SessionState::Connected; }));
  return client;
}

CommitResult Backend::commit(Client& client, std::vector<Operation> operations) {
  std::optional<CommitResult> result;
  client.store->commit(std::move(operations), [&](const CommitResult& told) { result = told; });
  CHECK_FALSE(result);  // callbacks come from the loop
  REQUIRE(until([&] { return result.has_value(); }));
  return *result;
}

ReadResult Backend::get(Client& client, const std::string& path) {
  std::optional<ReadResult> result;
  client.store->get(path, [&](const ReadResult& told) { result = told; });
  CHECK_FALSE(result);
  REQUIRE(until([&] { return result.has_value(); }));
  return *result;
}

ReadResult Backend::list(Client& client, const std::string& path) {
  std::optional<ReadResult> result;
  client.store->list(path, [&](const ReadResult& told) { result = told; });
  REQUIRE(until([&] { return result.has_value(); }));
  return *result;
}

ReadCode Backend::sync(Client& client) {
  std::optional<ReadCode> result;
  client.store->sync([&](ReadCode told) { result = told; });
  REQUIRE(until([&] { return result.has_value(); }));
  return *result;
}

}  // namespace pvcd::store::test
