// What the conformance cases need of a back end: clients, and ways to hurt them.
#pragma once

#include <systemd/sd-event.h>

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace pvcd::store::test {

// Generous: it is only reached by a test that fails.
inline constexpr Microseconds deadline = seconds(30);

enum class Cut {
  Requests,  // nothing arrives
  Replies,   // requests arrive, answers do not
  Stall,     // the server hangs: nothing arrives, and the connection stays; another server is there
};

struct Client {
  virtual ~Client() = default;
  std::unique_ptr<Store> store;
  std::vector<SessionState> states;  // every one that was told
};

class Backend {
 public:
  virtual ~Backend() { sd_event_unref(loop_); }

  virtual std::unique_ptr<Client> open() = 0;
  virtual std::unique_ptr<Client> restart(std::unique_ptr<Client>) = 0;  // the process dies and comes back
  virtual void cut(Client&, Cut) = 0;
  virtual void heal(Client&) = 0;
  virtual void expire(Client&) = 0;

  sd_event* loop() { return loop_; }
  bool until(const std::function<bool()>& condition, Microseconds limit = deadline);

  std::unique_ptr<Client> connected();  // open() and wait
  CommitResult commit(Client&, std::vector<Operation>);
  ReadResult get(Client&, const std::string& path);
  ReadResult list(Client&, const std::string& path);
  ReadCode sync(Client&);

 protected:
  Backend() { REQUIRE(sd_event_new(&loop_) >= 0); }
  static void record_states(Client&);

 private:
  sd_event* loop_ = nullptr;
};

std::unique_ptr<Backend> make_backend();

}  // namespace pvcd::store::test
