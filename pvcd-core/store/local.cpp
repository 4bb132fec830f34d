// The store in one process, for tests: as the one on ZooKeeper, with sessions that end when the test says so.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "store/deferred.hpp"
#include "store/local_tree.hpp"
#include "store/request.hpp"
#include "store/store.hpp"

namespace pvcd::store {
namespace {

constexpr Microseconds local_session_timeout = seconds(6);

enum class Link { Up, Down, RepliesLost, Stalled };

class LocalStore;

struct Session {
  Link link = Link::Up;
  bool alive = true;
  LocalStore* client = nullptr;  // nobody between two lives of a process
};

class LocalCluster : public Local, public std::enable_shared_from_this<LocalCluster> {
 public:
  std::unique_ptr<Store> open(sd_event* loop) override;
  std::unique_ptr<Store> resume(sd_event* loop, std::uint64_t session) override;
  void expire(std::uint64_t session) override;
  void disconnect(std::uint64_t session, bool lost_replies) override;
  void reconnect(std::uint64_t session) override;
  void stall_server(std::uint64_t id) override { session(id).link = Link::Stalled; }  // the client does not notice

  std::uint64_t begin_session() {
    sessions_[++last_session_];
    return last_session_;
  }
  Session& session(std::uint64_t id) { return sessions_.at(id); }
  LocalTree& tree() { return tree_; }
  void announce(const LocalTree::Changes&);

 private:
  LocalTree tree_;
  std::map<std::uint64_t, Session> sessions_;
  std::uint64_t last_session_ = 0;
};

class LocalStore : public Store {
 public:
  LocalStore(std::shared_ptr<LocalCluster>, sd_event* loop, std::uint64_t session);
  ~LocalStore() override;

  void commit(std::vector<Operation>, Committed) override;
  void get(const std::string& path, Read, Changed) override;
  void get_existing(const std::string& path, Read, Changed) override;
  void list(const std::string& path, Read, Changed) override;
  void sync(std::function<void(ReadCode)>) override;

  sd_event* loop() const override { return loop_; }
  SessionState state() const override { return state_; }
  std::uint64_t session() const override { return told_session_; }
  Microseconds session_timeout() const override { return local_session_timeout; }
  void on_state(std::function<void(SessionState)> told) override { on_state_ = std::move(told); }
  void next_server() override;
  std::string server_address() const override { return {}; }
  void close() override;

  void link_changed();                     // by the cluster: up, down, or the session has ended
  void notice(const LocalTree::Changes&);  // by the cluster: of what is watched, some has changed

 private:
  struct Watch {
    bool children;
    std::string path;
    Changed changed;
    bool due = false;  // fires as soon as the client is connected
  };

  Session& session_record() { return cluster_->session(session_); }
  void follow_link();
  void begin_anew();
  void enter(SessionState);
  void take_request(std::function<void()> answer, std::function<void()> lose);
  void answer_commit(const std::vector<Operation>&, CommitResult, const Committed&);
  void answer_read(const std::string& path, const Read&, const Changed&, bool children, bool watch_absent);
  void read(const std::string& path, Read, Changed, bool children, bool watch_absent);
  void fire_due();

  std::shared_ptr<LocalCluster> cluster_;
  sd_event* loop_;
  Deferred deferred_;
  std::uint64_t session_;
  std::uint64_t told_session_ = 0;  // a client knows its session from the first connection on
  SessionState state_ = SessionState::Connecting;
  std::function<void(SessionState)> on_state_;
  std::vector<Watch> watches_;
  std::vector<std::function<void()>> unanswered_;  // tells each that its outcome is unknown
  bool closed_ = false;
};

// ------------------------------------------------------------------------------------------------------------- cluster

std::unique_ptr<Store> LocalCluster::open(sd_event* loop) {
  return std::make_unique<LocalStore>(shared_from_this(), loop, begin_session());
}

std::unique_ptr<Store> LocalCluster::resume(sd_event* loop, std::uint64_t session) {
  auto [record, unknown] = sessions_.try_emplace(session);
  if (unknown) record->second.alive = false;
  last_session_ = std::max(last_session_, session);
  return std::make_unique<LocalStore>(shared_from_this(), loop, session);
}

void LocalCluster::expire(std::uint64_t id) {
  auto& ended = session(id);
  if (!std::exchange(ended.alive, false)) return;
  LocalTree::Changes changes;
  tree_.remove_ephemerals(id, changes);
  announce(changes);
  if (ended.client) ended.client->link_changed();
}

void LocalCluster::disconnect(std::uint64_t id, bool lost_replies) {
  session(id).link = lost_replies ? Link::RepliesLost : Link::Down;
  if (session(id).client) session(id).client->link_changed();
}

void LocalCluster::reconnect(std::uint64_t id) {
  session(id).link = Link::Up;
  if (session(id).client) session(id).client->link_changed();
}

void LocalCluster::announce(const LocalTree::Changes& changes) {
  for (auto& [id, session] : sessions_)
    if (session.client) session.client->notice(changes);
}

// --------------------------------------------------------------------------------------------------------------- store

LocalStore::LocalStore(std::shared_ptr<LocalCluster> cluster, sd_event* loop, std::uint64_t session)
    : cluster_(std::move(cluster)), loop_(loop), deferred_(loop), session_(session) {
  session_record().client = this;
  link_changed();
}

LocalStore::~LocalStore() {
  if (session_record().client == this) session_record().client = nullptr;
}

void LocalStore::close() {
  if (std::exchange(closed_, true)) return;
  session_record().client = nullptr;
  told_session_ = 0;
  state_ = SessionState::Expired;
  cluster_->expire(session_);
}

void LocalStore::link_changed() {
  deferred_.post([this] {
    if (!closed_) follow_link();
  });
}

void LocalStore::follow_link() {
  auto& record = session_record();
  if (record.link == Link::Stalled) return;
  for (auto& lose : std::exchange(unanswered_, {}))
    if (!closed_) lose();
  if (record.link != Link::Up) return enter(SessionState::Connecting);
  if (!record.alive) return begin_anew();
  told_session_ = session_;
  enter(SessionState::Connected);
  fire_due();
}

// Cut off, a client does not learn that its session has ended; connected again, it does.
void LocalStore::begin_anew() {
  session_record().client = nullptr;
  told_session_ = 0;
  enter(SessionState::Expired);
  if (closed_) return;
  session_ = cluster_->begin_session();
  session_record().client = this;
  enter(SessionState::Connecting);
  link_changed();
  for (auto& watch : std::exchange(watches_, {}))
    if (!closed_) watch.changed();
}

void LocalStore::enter(SessionState state) {
  if (closed_ || state_ == state) return;
  state_ = state;
  if (on_state_) on_state_(state);
}

// Another connection, of the same session.
void LocalStore::next_server() {
  deferred_.post([this] {
    if (closed_) return;
    if (session_record().link == Link::Stalled) session_record().link = Link::Up;
    enter(SessionState::Connecting);
    follow_link();
  });
}

// The turn of the loop between the request and its execution is the way to the server: a cut meanwhile loses the
// request, or only its answer.
void LocalStore::take_request(std::function<void()> answer, std::function<void()> lose) {
  deferred_.post([this, answer = std::move(answer), lose = std::move(lose)] {
    if (closed_) return;
    if (session_record().link == Link::Stalled) return unanswered_.push_back(lose);
    answer();
  });
}

void LocalStore::commit(std::vector<Operation> operations, Committed done) {
  auto checked = check_request(operations);
  checked.sent_at = boottime_now();
  const auto lose = [done, sent_at = checked.sent_at] {
    CommitResult unknown;
    unknown.sent_at = sent_at;
    if (done) done(unknown);
  };
  auto answer = [=, this, operations = std::move(operations)] { answer_commit(operations, checked, done); };
  if (checked.code == CommitCode::Ok) return take_request(std::move(answer), lose);
  deferred_.post([this, answer = std::move(answer)] {  // no server is asked
    if (!closed_) answer();
  });
}

void LocalStore::answer_commit(const std::vector<Operation>& operations, CommitResult result, const Committed& done) {
  auto& record = session_record();
  bool arrives = result.code == CommitCode::Ok && record.alive && record.link != Link::Down;
  bool lost = result.code == CommitCode::Ok && !(arrives && record.link == Link::Up);
  auto sent_at = result.sent_at;
  if (arrives) {
    LocalTree::Changes changes;
    result = cluster_->tree().apply(session_, operations, changes);
    cluster_->announce(changes);
  }
  if (lost) result = {};
  result.sent_at = sent_at;
  if (done) done(result);
}

void LocalStore::sync(std::function<void(ReadCode)> done) {
  commit({Check{"/"}}, [done = std::move(done)](const CommitResult& result) {
    done(result.code == CommitCode::Ok ? ReadCode::Ok : ReadCode::Unknown);
  });
}

void LocalStore::get(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), false, true);
}

void LocalStore::get_existing(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), false, false);
}

void LocalStore::list(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), true, false);
}

void LocalStore::read(const std::string& path, Read done, Changed changed, bool children, bool watch_absent) {
  const auto lose = [done] {
    if (done) done({});
  };
  take_request([=, this] { answer_read(path, done, changed, children, watch_absent); }, lose);
}

void LocalStore::answer_read(const std::string& path, const Read& done, const Changed& changed, bool children,
                             bool watch_absent) {
  ReadResult result;
  bool answered = valid_path(path) && session_record().alive && session_record().link == Link::Up;
  if (answered) result = children ? cluster_->tree().list(path) : cluster_->tree().get(path);
  bool watched = result.code == ReadCode::Ok || (result.code == ReadCode::NoEntry && watch_absent);
  if (changed && watched) watches_.push_back({children, path == "/" ? "" : path, changed});
  if (done) done(result);
}

// --------------------------------------------------------------------------------------------------------------
// watches

void LocalStore::notice(const LocalTree::Changes& changes) {
  for (auto& watch : watches_)
    if ((watch.children ? changes.children : changes.data).contains(watch.path)) watch.due = true;
  deferred_.post([this] {
    if (!closed_ && state_ == SessionState::Connected && session_record().link != Link::Stalled) fire_due();
  });
}

void LocalStore::fire_due() {
  auto first_due =
      std::stable_partition(watches_.begin(), watches_.end(), [](const Watch& watch) { return !watch.due; });
  std::vector<Watch> due(std::make_move_iterator(first_due), std::make_move_iterator(watches_.end()));
  watches_.erase(first_due, watches_.end());
  for (auto& watch : due)
    if (!closed_) watch.changed();
}

}  // namespace

std::shared_ptr<Local> Local::make() { return std::make_shared<LocalCluster>(); }

}  // namespace pvcd::store
