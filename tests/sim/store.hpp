// The cluster store as its clients meet it: an ensemble on the coordinators' hosts that commits transactions one after
// the other, keeps sessions, loses its leader (every session gets a fresh timeout then), answers late, never, or after
// the fact, and may be restored from older data. What observers see of it is in observer.hpp.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "entries.hpp"
#include "network.hpp"
#include "process.hpp"
#include "random.hpp"
#include "record_rules.hpp"

namespace pvcd::sim {

struct World;

struct LogEntry {
  Instant at;
  Key key;
  EntryPointer entry;
  bool heartbeat;
};

// A connection of one process. It believes in its server until an answer is missing.
struct Client {
  std::size_t node;
  Process& process;
  Microseconds patience;  // with one request
  std::optional<std::size_t> server = {};
  std::uint64_t session = 0;
  Instant asked_at = 0;  // the last time
  std::uint64_t connection = 0;
};

class Store {
 public:
  using Changed = std::function<void(const Author&, const Key&, const Entry* before, const Entry* after)>;
  using Deliver = std::function<void()>;

  Store(Events& events, Random& random, const Network& network, std::size_t servers)
      : events_(events), random_(random), network_(network), servers_(servers) {}

  std::function<bool(std::size_t)> is_up;  // a server: its host is on and not frozen
  Changed on_change;
  std::function<void(bool heartbeat)> on_commit;
  std::function<void()> on_leader;

  // `at_server` runs when the request arrives and returns what the answer does with the client; `unknown` runs instead
  // when no answer came in time. Both run in the client's process.
  void ask(Client&, std::function<Deliver()> at_server, Events::Act unknown);
  void commit(Client&, const Author&, Changes, std::function<void(const CommitOutcome&)> answered);

  CommitOutcome commit_now(const Changes&, const Author&, std::uint64_t session = 0);
  EntryPointer find(const Key& key) const { return entries_.find(key); }
  const std::map<Key, EntryPointer>& entries() const { return entries_.all(); }
  const Entries& records() const { return entries_; }
  const std::vector<LogEntry>& log() const { return log_; }

  // What nobody can read for a while, as if a newer version had written it.
  void set_readable(const Key&, bool);
  bool is_readable(const Key& key) const { return !unreadable_.contains(key); }

  // From a copy of older data, as of this moment. It is read anew by everybody.
  void restore(Entries);
  Entries as_of(Instant) const;
  std::uint64_t restored() const { return restored_; }  // how often

  std::uint64_t open_session(Microseconds timeout);
  bool is_open(std::uint64_t session) const { return sessions_.contains(session); }
  void close_session(std::uint64_t session);

  void topology_changed();
  void lose_leader();
  bool serves(std::size_t node) const;  // somebody answers this node now
  bool has_majority() const;            // some server could lead now
  Microseconds extra_latency = 0;
  Microseconds session_timeout_max = ~Microseconds{0};  // of sessions that are opened now

 private:
  struct Session {
    Microseconds timeout;
    Instant heard_at;
    std::uint64_t connection = 0;  // the newest that was heard of
  };
  struct Request;

  bool is_serving(std::size_t server) const;
  bool is_majority(std::size_t leader) const;
  void elect();
  std::optional<std::size_t> connect(std::size_t node);
  Microseconds travel();
  void arrive(const std::shared_ptr<Request>&, unsigned tries_left);
  void watch_session(std::uint64_t session, Instant when);
  void end_session(std::uint64_t session);

  Events& events_;
  Random& random_;
  const Network& network_;
  std::size_t servers_;
  std::optional<std::size_t> leader_;
  bool electing_ = false;
  Entries entries_;
  std::set<Key> unreadable_;
  std::vector<LogEntry> log_;
  std::uint64_t restored_ = 0;
  std::map<std::size_t, Instant> turned_away_until_;  // nodes whose clients have seen more than the servers have
  std::map<std::uint64_t, Session> sessions_;
  std::uint64_t connections_ = 0;
  std::uint64_t next_session_ = 1;
};

}  // namespace pvcd::sim
