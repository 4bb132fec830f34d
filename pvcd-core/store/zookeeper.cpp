// The store on a ZooKeeper ensemble. One thread, driven by the caller's loop: a stalled process loses its session.
#include <poll.h>
#include <sys/time.h>
#include <zookeeper/zookeeper.h>

#include <chrono>
#include <cstring>
#include <future>
#include <unordered_map>
#include <utility>

#include "sdk/plugin.hpp"
#include "sdk/store_access.hpp"
#include "store/deferred.hpp"
#include "store/paths.hpp"
#include "store/request.hpp"
#include "store/session_file.hpp"
#include "store/store.hpp"
#include "store/zookeeper_loop.hpp"
#include "store/zookeeper_probe.hpp"
#include "store/zookeeper_servers.hpp"
#include "store/zookeeper_transaction.hpp"

namespace pvcd::store {
namespace {

// How long close() waits for what is under way.
constexpr Microseconds last_answers_wait_max = seconds(1);

constexpr Microseconds server_search_interval = seconds(5);

// A server that was started meanwhile, with whatever data, has taken longer.
constexpr Microseconds quick_return_max = milliseconds(250);

Entry entry_of(const Stat& status) {
  Entry entry;
  entry.version = status.version;
  entry.created = static_cast<std::uint64_t>(status.czxid);
  entry.changed = static_cast<std::uint64_t>(status.mzxid);
  entry.ephemeral_owner = static_cast<std::uint64_t>(status.ephemeralOwner);
  entry.children = static_cast<std::uint32_t>(status.numChildren);
  return entry;
}

class Zookeeper : public Store {
 public:
  Zookeeper(sd_event* loop, const ZookeeperOptions&);
  ~Zookeeper() override;

  void commit(std::vector<Operation>, Committed) override;
  void get(const std::string& path, Read, Changed) override;
  void get_existing(const std::string& path, Read, Changed) override;
  void list(const std::string& path, Read, Changed) override;
  void sync(std::function<void(ReadCode)>) override;

  sd_event* loop() const override { return event_loop_; }
  SessionState state() const override { return state_; }
  std::uint64_t session() const override { return session_; }
  Microseconds session_timeout() const override { return session_timeout_; }
  void on_state(std::function<void(SessionState)> told) override { on_state_ = std::move(told); }
  void next_server() override { library_loop_.hang_up(); }
  std::string server_address() const override;
  void close() override;

 private:
  using WatchId = std::uint64_t;  // 0: no watch
  struct Watch {
    Changed changed;
    bool answered = false;  // what it watches has been read
  };

  // What goes through the library with each request.
  struct CommitCall {
    Zookeeper* store;
    Transaction transaction;
  };
  struct ReadCall {
    Zookeeper* store;
    std::string path;  // as the server knows it
    Read done;
    WatchId watch;
    bool watch_absent;
    bool absence_watched = false;
  };
  struct DirectoriesCall {
    Zookeeper* store;
    std::vector<std::string> wanted;  // answered in this order
    std::size_t answered = 0;
    std::string refused = {};  // the last
    bool absent = false;
    bool denied = false;
    bool lost = false;
  };

  void begin_session(const clientid_t* resumed);
  void take_answers();
  void create_directories();
  void after_turn();
  void search_missing_servers();
  bool servers_went_back();
  void read_anew();
  void begin_anew();
  void connected();
  void expired();
  void enter(SessionState);
  void directories_answered(const DirectoriesCall&);
  std::string denial(const DirectoriesCall&) const;

  std::string full(const std::string& path) const { return path == "/" ? options_.root : options_.root + path; }
  bool usable() const { return handle_ && !is_unrecoverable(handle_); }
  WatchId remember(Changed);
  void fire(WatchId);
  void read(const std::string& path, Read, Changed, bool watch_absent, int (Zookeeper::*send)(ReadCall*));
  int send_get(ReadCall*);
  int send_exists(ReadCall*);
  int send_list(ReadCall*);
  void hand_on(std::unique_ptr<ReadCall>, int (Zookeeper::*send)(ReadCall*));
  void finish(std::unique_ptr<ReadCall>, const ReadResult&);

  static void on_watch(zhandle_t*, int type, int state, const char* path, void* watch);
  static void on_commit(int code, const void* call);
  static void on_data(int code, const char* data, int length, const Stat*, const void* call);
  static void on_absent(int code, const Stat*, const void* call);
  static void on_children(int code, const String_vector*, const Stat*, const void* call);
  static void on_directory(int code, const char* path, const void* call);

  sd_event* event_loop_;
  ZookeeperOptions options_;
  Servers servers_;
  bool servers_are_new_ = false;  // and the library does not know them yet
  std::future<Servers> server_search_;
  Instant server_search_due_ = 0;
  std::unique_ptr<SessionFile> session_file_;
  Deferred deferred_;
  ZookeeperLoop library_loop_;
  ZookeeperProbe probe_;
  zhandle_t* handle_ = nullptr;
  std::unordered_map<WatchId, Watch> watches_;
  WatchId last_watch_ = 0;
  std::function<void(SessionState)> on_state_;
  SessionState state_ = SessionState::Connecting;
  std::uint64_t session_ = 0;
  Microseconds session_timeout_ = 0;
  Instant away_since_ = 0;  // 0: connected
  bool directories_exist_ = false;
  bool close_wanted_ = false;
  bool all_answered_ = false;  // while closing
  bool closed_ = false;        // callbacks are dropped from now on
};

// --------------------------------------------------------------------------------------------------------------
// session

Zookeeper::Zookeeper(sd_event* loop, const ZookeeperOptions& options)
    : event_loop_(loop),
      options_(options),
      servers_(numeric_servers(options.servers)),
      deferred_(loop),
      library_loop_(loop, [this] { after_turn(); }),
      probe_(loop) {
  for (const auto& warning : servers_.warnings) options_.warn(warning);
  if (servers_.text.empty()) throw Error("no server of store.servers has an address: check their names");
  if (options_.root == "/" || !valid_path(options_.root))
    throw Error("store root '" + options_.root + "' is not a path");
  if (!is_user_and_password(options_.credentials)) throw Error("the store's credentials must be written user:password");
  std::optional<SavedSession> saved;
  if (!options_.session_file.empty()) {
    session_file_ = std::make_unique<SessionFile>(options_.session_file);
    saved = session_file_->load();
  }
  clientid_t resumed{};
  bool usable_id = saved && saved->secret.size() == sizeof resumed.passwd;
  if (usable_id) {
    resumed.client_id = saved->id;
    std::memcpy(resumed.passwd, saved->secret.data(), sizeof resumed.passwd);
  }
  begin_session(usable_id ? &resumed : nullptr);
}

Zookeeper::~Zookeeper() {
  if (closed_) return;
  // The library can only say goodbye, which would end the session. With the connection cut first, the server hears
  // nothing.
  closed_ = true;
  library_loop_.hang_up();
  library_loop_.detach();
  zookeeper_close(handle_);
}

void Zookeeper::close() {
  close_wanted_ = true;
  if (closed_ || library_loop_.in_library()) return;
  closed_ = true;
  state_ = SessionState::Expired;
  session_ = 0;
  probe_.end();
  library_loop_.detach();
  if (zoo_state(handle_) == ZOO_CONNECTED_STATE) take_answers();
  zookeeper_close(std::exchange(handle_, nullptr));
  if (session_file_) session_file_->remove();
}

// The library says goodbye and closes its socket as soon as anything has come in. An answer that is still on its way
// would then reset the connection, the goodbye be lost, and the session live on.
void Zookeeper::take_answers() {
  auto on_answer = [](int, const Stat*, const void* flag) { *static_cast<bool*>(const_cast<void*>(flag)) = true; };
  if (zoo_aexists(handle_, options_.root.c_str(), 0, on_answer, &all_answered_) != ZOK) return;
  auto end = boottime_now() + last_answers_wait_max;
  while (!all_answered_ && boottime_now() < end) {
    pollfd socket{-1, 0, 0};
    int interest = 0;
    timeval unused{};
    if (zookeeper_interest(handle_, &socket.fd, &interest, &unused) != ZOK) return;
    if (interest & ZOOKEEPER_READ) socket.events |= POLLIN;
    if (interest & ZOOKEEPER_WRITE) socket.events |= POLLOUT;
    if (poll(&socket, 1, static_cast<int>(last_answers_wait_max / 1000)) <= 0) return;
    bool writable = socket.revents & POLLOUT;
    zookeeper_process(handle_, ZOOKEEPER_READ | (writable ? ZOOKEEPER_WRITE : 0));
  }
}

void Zookeeper::begin_session(const clientid_t* resumed) {
  auto timeout_ms = static_cast<int>(options_.session_timeout / 1000);
  zoo_deterministic_conn_order(1);  // numeric_servers() has put them in order
  handle_ = zookeeper_init(servers_.text.c_str(), nullptr, timeout_ms, resumed, this, 0);
  servers_are_new_ = false;
  if (!handle_) throw Error(std::string("cannot make a ZooKeeper client: ") + std::strerror(errno));
  auto& secret = options_.credentials;
  zoo_add_auth(handle_, "digest", secret.data(), static_cast<int>(secret.size()), nullptr, nullptr);
  if (!directories_exist_) create_directories();
  library_loop_.attach(handle_);
}

// Queued before anything else, and again before anything else when a connection was lost meanwhile: whoever uses the
// store finds its directories.
void Zookeeper::create_directories() {
  std::vector<std::string> wanted;
  for (auto slash = options_.root.find('/', 1); slash != std::string::npos; slash = options_.root.find('/', slash + 1))
    wanted.push_back(options_.root.substr(0, slash));
  wanted.push_back(options_.root);
  for (const auto& directory : paths::directories) wanted.push_back(options_.root + directory);
  auto* call = new DirectoriesCall{this, std::move(wanted)};
  for (const auto& path : call->wanted)
    zoo_acreate(handle_, path.c_str(), "", 0, &ZOO_CREATOR_ALL_ACL, ZOO_PERSISTENT, on_directory, call);
}

// With credentials that do not fit, the parents may be somebody else's and still be fine; the directories may not.
void Zookeeper::on_directory(int code, const char*, const void* context) {
  auto* call = static_cast<DirectoriesCall*>(const_cast<void*>(context));
  const std::string& path = call->wanted[call->answered++];
  bool parent = call->answered + paths::directories.size() <= call->wanted.size();
  auto result = commit_code(code);
  if (result == CommitCode::Unknown) call->lost = true;
  if (result == CommitCode::Denied) call->refused = path;
  if (!parent && result != CommitCode::Unknown && result != CommitCode::Ok && result != CommitCode::Exists) {
    call->denied = true;
    call->absent = call->absent || result == CommitCode::NoEntry;
  }
  if (call->answered < call->wanted.size()) return;
  std::unique_ptr<DirectoriesCall> owner(call);
  if (!call->store->closed_) call->store->directories_answered(*call);
}

void Zookeeper::directories_answered(const DirectoriesCall& call) {
  directories_exist_ = !call.lost && !call.denied;
  if (call.denied)
    deferred_.post([this, why = denial(call)] {
      options_.warn(why);
      enter(SessionState::Denied);
    });
  if (call.lost && !call.denied && usable()) create_directories();
}

// The parents belong to the cluster that was first on these servers: the second one's root is theirs to refuse.
std::string Zookeeper::denial(const DirectoriesCall& call) const {
  if (!call.absent || call.refused.empty()) return "the store's " + options_.root + " belongs to other credentials";
  const auto slash = call.refused.rfind('/');
  return "the store's " + (slash == 0 ? "/" : call.refused.substr(0, slash)) +
         " belongs to other credentials, which let nobody else create " + call.refused +
         "; if that is another cluster's, see README.md, two clusters on the same servers";
}

void Zookeeper::after_turn() {
  if (close_wanted_) return close();
  if (zoo_state(handle_) == ZOO_EXPIRED_SESSION_STATE) return expired();
  if (is_unrecoverable(handle_)) {
    probe_.end();
    library_loop_.detach();
    return enter(SessionState::Denied);
  }
  search_missing_servers();
  if (zoo_state(handle_) == ZOO_CONNECTED_STATE) return connected();
  // Only now: with more servers than before, the library might leave the one that it is on.
  if (std::exchange(servers_are_new_, false)) zoo_set_servers(handle_, servers_.text.c_str());
  if (servers_went_back()) return begin_anew();
  if (away_since_ == 0) away_since_ = boottime_now();
  enter(SessionState::Connecting);
}

// Where this host has booted before its names could be resolved, it would have the servers that /etc/hosts knows for
// ever; where one name is wrong, the other servers suffice.
void Zookeeper::search_missing_servers() {
  if (servers_.missing == 0) return;
  if (!server_search_.valid()) {
    if (boottime_now() < server_search_due_) return;
    server_search_due_ = boottime_now() + server_search_interval;
    server_search_ = numeric_servers_later(options_.servers);
  }
  const bool ended =
      server_search_.valid() && server_search_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  if (!ended) return;
  auto found = server_search_.get();
  if (found.missing >= servers_.missing) return;
  servers_ = std::move(found);
  servers_are_new_ = true;
}

// A resumed session that was not connected yet has seen nothing that could be too new.
bool Zookeeper::servers_went_back() {
  return session_ != 0 && probe_.servers_went_back(library_loop_.turned_away_by(), servers_.text, session_timeout_);
}

void Zookeeper::begin_anew() {
  options_.warn(
      "the store's servers have older data than this host has seen from them: their disks were restored from an older "
      "copy or lost; a new session begins");
  directories_exist_ = false;  // older data may be without them
  expired();
}

void Zookeeper::connected() {
  probe_.end();
  auto* id = zoo_client_id(handle_);
  session_timeout_ = milliseconds(static_cast<std::uint64_t>(zoo_recv_timeout(handle_)));  // each server may grant less
  if (session_ != static_cast<std::uint64_t>(id->client_id)) {
    session_ = static_cast<std::uint64_t>(id->client_id);
    if (session_file_) session_file_->save({id->client_id, std::string(id->passwd, sizeof id->passwd)});
  }
  const Instant away_since = std::exchange(away_since_, 0);
  const bool was_away = away_since != 0 && boottime_now() - away_since > quick_return_max;
  enter(SessionState::Connected);
  if (was_away) read_anew();
}

// Servers that went back, and have run on for long enough meanwhile, let in who knows more than they do, and would tell
// him only of what changes from there on. What was asked and has not been answered will be what they have now.
void Zookeeper::read_anew() {
  std::vector<WatchId> old;
  for (const auto& [id, watch] : watches_)
    if (watch.answered) old.push_back(id);
  for (const WatchId id : old) fire(id);
}

std::string Zookeeper::server_address() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (closed_ || !handle_ || !zookeeper_get_connected_host(handle_, reinterpret_cast<sockaddr*>(&address), &size))
    return {};
  return numeric_address(reinterpret_cast<const sockaddr*>(&address), size);
}

void Zookeeper::expired() {
  probe_.end();
  library_loop_.detach();
  zookeeper_close(std::exchange(handle_, nullptr));  // answers what is under way
  if (closed_) return;
  session_ = 0;
  state_ = SessionState::Connected;  // a refusal belonged to the old session
  enter(SessionState::Expired);
  if (closed_) return;
  begin_session(nullptr);
  enter(SessionState::Connecting);
  read_anew();
}

// Denied stays: neither a reconnect nor the next answer makes the credentials right.
void Zookeeper::enter(SessionState state) {
  bool stays = state_ == SessionState::Denied || state_ == state;
  if (closed_ || stays) return;
  state_ = state;
  if (on_state_) on_state_(state);
}

// --------------------------------------------------------------------------------------------------------------
// writing

void Zookeeper::commit(std::vector<Operation> operations, Committed done) {
  auto refused = check_request(operations);
  if (refused.code == CommitCode::Ok && !usable())
    refused.code = state_ == SessionState::Denied ? CommitCode::Denied : CommitCode::Unknown;
  if (refused.code != CommitCode::Ok) {
    refused.sent_at = boottime_now();
    return deferred_.post([refused, done = std::move(done)] {
      if (done) done(refused);
    });
  }
  auto* call = new CommitCall{this, {options_.root, std::move(operations), std::move(done)}};
  if (call->transaction.send(handle_, on_commit, call) != ZOK)
    deferred_.post([call] { on_commit(ZSYSTEMERROR, call); });
  library_loop_.wake();
}

void Zookeeper::on_commit(int code, const void* context) {
  std::unique_ptr<const CommitCall> call(static_cast<const CommitCall*>(context));
  if (!call->store->closed_) call->transaction.answer(code);
}

// ZooKeeper's own sync is answered by a leader that need not know that it was replaced. A transaction passes the
// quorum, even if it only checks, and later reads of this session are at least as new as its answer.
void Zookeeper::sync(std::function<void(ReadCode)> done) {
  commit({Check{"/"}}, [done = std::move(done)](const CommitResult& result) {
    bool certain = result.code == CommitCode::Ok || result.code == CommitCode::Denied;
    if (!certain) return done(ReadCode::Unknown);
    done(result.code == CommitCode::Ok ? ReadCode::Ok : ReadCode::Denied);
  });
}

// --------------------------------------------------------------------------------------------------------------
// reading

void Zookeeper::get(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), true, &Zookeeper::send_get);
}

void Zookeeper::get_existing(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), false, &Zookeeper::send_get);
}

void Zookeeper::list(const std::string& path, Read done, Changed changed) {
  read(path, std::move(done), std::move(changed), false, &Zookeeper::send_list);
}

void Zookeeper::read(const std::string& path, Read done, Changed changed, bool watch_absent,
                     int (Zookeeper::*send)(ReadCall*)) {
  auto call = std::make_unique<ReadCall>(ReadCall{this, full(path), std::move(done), 0, watch_absent});
  if (!valid_path(path) || !usable()) {
    ReadResult result;
    if (state_ == SessionState::Denied) result.code = ReadCode::Denied;
    return deferred_.post([result, told = std::move(call->done)] {
      if (told) told(result);
    });
  }
  if (changed) call->watch = remember(std::move(changed));
  hand_on(std::move(call), send);
}

// From here on the library owns the call, unless it refuses it.
void Zookeeper::hand_on(std::unique_ptr<ReadCall> call, int (Zookeeper::*send)(ReadCall*)) {
  auto* raw = call.release();
  if ((this->*send)(raw) != ZOK) deferred_.post([this, raw] { finish(std::unique_ptr<ReadCall>(raw), {}); });
  library_loop_.wake();
}

int Zookeeper::send_get(ReadCall* call) {
  auto* watcher = call->watch && !call->absence_watched ? on_watch : nullptr;
  return zoo_awget(handle_, call->path.c_str(), watcher, reinterpret_cast<void*>(call->watch), on_data, call);
}

int Zookeeper::send_exists(ReadCall* call) {
  return zoo_awexists(handle_, call->path.c_str(), on_watch, reinterpret_cast<void*>(call->watch), on_absent, call);
}

int Zookeeper::send_list(ReadCall* call) {
  auto* watcher = call->watch ? on_watch : nullptr;
  return zoo_awget_children2(handle_, call->path.c_str(), watcher, reinterpret_cast<void*>(call->watch), on_children,
                             call);
}

// A read of an absent entry leaves no watch at the server, but a question for its existence does.
void Zookeeper::on_data(int code, const char* data, int length, const Stat* status, const void* context) {
  std::unique_ptr<ReadCall> call(static_cast<ReadCall*>(const_cast<void*>(context)));
  auto* store = call->store;
  if (store->closed_) return;
  bool ask_for_absence = code == ZNONODE && call->watch && call->watch_absent && !call->absence_watched;
  if (ask_for_absence && store->usable()) return store->hand_on(std::move(call), &Zookeeper::send_exists);
  ReadResult result;
  result.code = ask_for_absence ? ReadCode::Unknown : read_code(code);
  if (result.code == ReadCode::Ok) {
    result.entry = entry_of(*status);
    if (data && length > 0) result.entry.data.assign(data, static_cast<std::size_t>(length));
  }
  store->finish(std::move(call), result);
}

void Zookeeper::on_absent(int code, const Stat*, const void* context) {
  std::unique_ptr<ReadCall> call(static_cast<ReadCall*>(const_cast<void*>(context)));
  auto* store = call->store;
  if (store->closed_) return;
  call->absence_watched = code == ZOK || code == ZNONODE;
  bool made_meanwhile = code == ZOK && store->usable();
  if (made_meanwhile) return store->hand_on(std::move(call), &Zookeeper::send_get);
  ReadResult result;
  result.code = code == ZOK ? ReadCode::Unknown : read_code(code);
  store->finish(std::move(call), result);
}

void Zookeeper::on_children(int code, const String_vector* names, const Stat* status, const void* context) {
  std::unique_ptr<ReadCall> call(static_cast<ReadCall*>(const_cast<void*>(context)));
  auto* store = call->store;
  if (store->closed_) return;
  ReadResult result;
  result.code = read_code(code);
  if (result.code == ReadCode::Ok) {
    result.entry = entry_of(*status);
    result.children.assign(names->data, names->data + names->count);
  }
  store->finish(std::move(call), result);
}

void Zookeeper::finish(std::unique_ptr<ReadCall> call, const ReadResult& result) {
  bool watched = result.code == ReadCode::Ok || (result.code == ReadCode::NoEntry && call->absence_watched);
  if (const auto watch = watches_.find(call->watch); watch != watches_.end()) {
    watch->second.answered = watched;
    if (!watched) watches_.erase(watch);
  }
  if (call->done) call->done(result);
}

Zookeeper::WatchId Zookeeper::remember(Changed changed) {
  watches_.emplace(++last_watch_, Watch{std::move(changed)});
  return last_watch_;
}

void Zookeeper::on_watch(zhandle_t* handle, int type, int, const char*, void* watch) {
  if (type == ZOO_SESSION_EVENT) return;  // after_turn() sees the state
  auto* store = static_cast<Zookeeper*>(const_cast<void*>(zoo_get_context(handle)));
  store->fire(reinterpret_cast<WatchId>(watch));
}

void Zookeeper::fire(WatchId watch) {
  auto node = watches_.extract(watch);
  if (!closed_ && node) node.mapped().changed();
}

}  // namespace

std::unique_ptr<Store> open_zookeeper(sd_event* loop, const ZookeeperOptions& options) {
  // Its log on stderr has a line for every try of every server; on_state() tells what matters.
  zoo_set_debug_level(static_cast<ZooLogLevel>(0));
  return std::make_unique<Zookeeper>(loop, options);
}

}  // namespace pvcd::store
