#include "store.hpp"

#include <algorithm>

#include "settings.hpp"

namespace pvcd::sim {
namespace {

constexpr unsigned retransmissions = 8;
constexpr Microseconds retransmission_interval = milliseconds(250);
constexpr Microseconds idle_limit = seconds(4);  // 2/3 of the session timeout

}  // namespace

struct Store::Request {
  Client& client;
  std::uint64_t life;
  std::size_t server;
  std::uint64_t session;
  std::uint64_t connection;
  std::uint64_t restored;
  std::function<Deliver()> at_server;
  bool answered = false;
};

// ---------------------------------------------------------------------------------------------------------- ensemble

bool Store::is_serving(std::size_t server) const {
  return leader_ && is_up(server) && network_.both_ways(server, *leader_);
}

bool Store::is_majority(std::size_t leader) const {
  std::size_t followers = 0;
  for (std::size_t server = 0; server < servers_; ++server)
    if (is_up(server) && network_.both_ways(server, leader)) followers++;
  return is_up(leader) && followers * 2 > servers_;
}

bool Store::serves(std::size_t node) const {
  if (const auto until = turned_away_until_.find(node);
      until != turned_away_until_.end() && events_.now() < until->second)
    return false;
  for (std::size_t server = 0; server < servers_; ++server)
    if (is_serving(server) && network_.both_ways(node, server)) return true;
  return false;
}

bool Store::has_majority() const {
  for (std::size_t server = 0; server < servers_; ++server)
    if (is_majority(server)) return true;
  return false;
}

void Store::topology_changed() {
  if (leader_ && is_majority(*leader_)) return;
  lose_leader();
}

void Store::lose_leader() {
  leader_.reset();
  if (std::exchange(electing_, true)) return;
  events_.after(random_.between(milliseconds(100), milliseconds(1500)), [this] { elect(); });
}

// A new leader gives every session its full time again.
void Store::elect() {
  electing_ = false;
  std::vector<std::size_t> able;
  for (std::size_t server = 0; server < servers_; ++server)
    if (is_majority(server)) able.push_back(server);
  if (able.empty()) return;
  leader_ = random_.one_of(able);
  for (auto& [id, session] : sessions_) session.heard_at = events_.now();
  on_leader();
}

// ---------------------------------------------------------------------------------------------------------- requests

std::optional<std::size_t> Store::connect(std::size_t node) {
  std::vector<std::size_t> able;
  for (std::size_t server = 0; server < servers_; ++server)
    if (is_serving(server) && network_.both_ways(node, server)) able.push_back(server);
  if (able.empty()) return std::nullopt;
  return random_.one_of(able);
}

Microseconds Store::travel() {
  return random_.between(200, 4000) + (extra_latency ? random_.between(0, extra_latency) : 0);
}

void Store::ask(Client& client, std::function<Deliver()> at_server, Events::Act unknown) {
  // Pings tell a client that is idle what a request tells one that is not.
  const bool idle = events_.now() >= client.asked_at + idle_limit;
  if (client.server && idle && !(is_serving(*client.server) && network_.both_ways(client.node, *client.server)))
    client.server.reset();
  client.asked_at = events_.now();
  if (!client.server) {
    client.server = connect(client.node);
    client.connection = ++connections_;
  }
  auto request = std::make_shared<Request>(Request{client, client.process.life(), client.server.value_or(0),
                                                   client.session, client.connection, restored_, std::move(at_server)});
  client.process.after(client.patience, [request, unknown = std::move(unknown)] {
    if (std::exchange(request->answered, true)) return;
    request->client.server.reset();
    unknown();
  });
  if (client.server) events_.after(travel(), [this, request] { arrive(request, retransmissions); });
}

// What was sent into a cut link comes through when the link is back soon: late, and unknown to who gave it up.
void Store::arrive(const std::shared_ptr<Request>& request, unsigned tries_left) {
  const std::size_t node = request->client.node;
  if (request->restored != restored_) return;  // sent to servers that have been stopped since
  if (!network_.passes(node, request->server) || !is_serving(request->server)) {
    if (tries_left > 0)
      events_.after(retransmission_interval, [this, request, tries_left] { arrive(request, tries_left - 1); });
    return;
  }
  // ZooKeeper refuses what comes over an older connection of a session that has moved on (SESSIONMOVED).
  if (const auto session = sessions_.find(request->session); session != sessions_.end()) {
    if (request->connection < session->second.connection) return;
    session->second.connection = request->connection;
  }
  auto deliver = request->at_server();
  events_.after(travel(), [this, request, node, deliver = std::move(deliver)] {
    Process& process = request->client.process;
    if (!network_.passes(request->server, node) || !is_up(request->server) || process.life() != request->life) return;
    process.after(0, [request, deliver] {
      if (!std::exchange(request->answered, true)) deliver();
    });
  });
}

void Store::commit(Client& client, const Author& author, Changes changes,
                   std::function<void(const CommitOutcome&)> answered) {
  ask(
      client,
      [this, session = client.session, author, changes = std::move(changes), answered]() -> Deliver {
        if (session != 0) {
          auto found = sessions_.find(session);
          if (found == sessions_.end()) return [answered] { answered({CommitCode::Unknown, 0, true}); };
          found->second.heard_at = events_.now();
        }
        return [answered, outcome = commit_now(changes, author, session)] { answered(outcome); };
      },
      [answered] { answered({}); });
}

// ---------------------------------------------------------------------------------------------------------- sessions

std::uint64_t Store::open_session(Microseconds timeout) {
  const std::uint64_t id = next_session_++;
  timeout = std::min(timeout, session_timeout_max);
  sessions_[id] = {timeout, events_.now()};
  watch_session(id, events_.now() + timeout);
  return id;
}

void Store::watch_session(std::uint64_t session, Instant when) {
  events_.at(when, [this, session] {
    auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    const Instant ends = found->second.heard_at + found->second.timeout;
    if (events_.now() < ends) return watch_session(session, ends);
    if (!leader_) return watch_session(session, events_.now() + found->second.timeout / 4);
    end_session(session);
  });
}

void Store::close_session(std::uint64_t session) {
  if (sessions_.contains(session)) end_session(session);
}

void Store::end_session(std::uint64_t session) {
  sessions_.erase(session);
  std::vector<Key> ephemeral;
  for (const auto& [key, entry] : entries_.all())
    if (entry->session == session) ephemeral.push_back(key);
  Changes removals;
  for (const Key& key : ephemeral) removals.push_back(Remove{key});
  commit_now(removals, {0, Part::Store, 0});
}

void Store::set_readable(const Key& key, bool readable) {
  if (readable)
    unreadable_.erase(key);
  else
    unreadable_.insert(key);
  log_.push_back({events_.now(), key, find(key), false});
  on_commit(false);
}

// --------------------------------------------------------------------------------------------------------- older data

// The log is all that has ever become of any entry.
Entries Store::as_of(Instant then) const {
  Entries entries;
  for (const LogEntry& one : log_)
    if (one.at <= then) entries.replay(one.key, one.entry);
  return entries;
}

// As if all servers had been stopped and their data replaced. The sessions that these data know go on: the next leader
// gives each its full time, whether its owner lives or not, and ZooKeeper lets in who holds one. Who has seen later
// transactions is turned away until his client begins anew (store/zookeeper_probe.hpp); here he keeps his session even
// so, and with it his proof: only what he remembers keeps him from acting.
void Store::restore(Entries entries) {
  for (std::size_t node = 0; node < network_.size(); ++node)
    if (serves(node)) turned_away_until_[node] = events_.now() + session_timeout;
  lose_leader();
  ++restored_;
  std::swap(entries_, entries);
  sessions_.clear();
  for (const auto& [key, entry] : entries_.all()) {
    if (entry != entries.find(key)) log_.push_back({events_.now(), key, entry, false});
    if (entry->session == 0) continue;
    sessions_[entry->session] = {session_timeout, events_.now()};
    watch_session(entry->session, events_.now() + session_timeout);
  }
  for (const auto& [key, entry] : entries.all())
    if (!entries_.find(key)) log_.push_back({events_.now(), key, nullptr, false});
  on_commit(false);
}

// ------------------------------------------------------------------------------------------------------ transactions

CommitOutcome Store::commit_now(const Changes& changes, const Author& author, std::uint64_t session) {
  std::vector<Entries::Changed> changed;
  const CommitOutcome outcome = entries_.apply(changes, session, changed);
  bool heartbeat = author.part == Part::Keepalive;
  for (const auto& [key, before, after] : changed) {
    if (!before && !after) continue;
    unreadable_.erase(key);  // what is written anew can be read
    const bool beats = key.kind == Kind::Live && before && after;
    heartbeat = heartbeat && beats;
    log_.push_back({events_.now(), key, after, beats});
    on_change(author, key, before.get(), after.get());
  }
  if (!changed.empty()) on_commit(heartbeat);
  return outcome;
}

}  // namespace pvcd::sim
