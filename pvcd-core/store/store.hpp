// The cluster store: small versioned entries in a tree, changed only by transactions. Asynchronous and loop-driven:
// every call returns at once, every callback comes from the loop that the store was made with, so a stalled process
// loses its session.
//
// Rules
// - A path is "/a/b"; the back end puts the cluster's root in front of it.
// - Every write is a commit() of one or more operations: all or none. CommitCode::Unknown means that it may have
// happened;
//   the caller reads again before it decides (scenario C5).
// - A read may be stale by design of the back end; sync() first where a decision needs the newest. What a transaction
//   checks is never stale.
// - Watches fire once and are re-armed by reading again; Mirror does that for whole directories. A watch that was asked
//   for by a read that ended Unknown or Denied does not exist.
// - An expired session is followed by a new one: the state goes Expired, then Connecting; what was watched fires; then
//   Connected, with another session(). Ephemeral entries of the old session are gone.
// - Servers that went back to older data keep out who has seen newer ones: Expired, too. What the older data have of
//   the old session's ephemeral entries goes when its timeout has passed once more.
// - Callbacks must not throw, and must not destroy the Store. Destroying it drops the callbacks of what is under way.
// - Destroying without close() leaves the session behind: it can be resumed until it times out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sdk/change.hpp"

struct sd_event;

namespace pvcd::store {

// Paths, data and a little for each operation must stay below this: ZooKeeper's servers drop a connection that sends
// more than 1 MiB at once, without saying why.
inline constexpr std::size_t transaction_bytes_max = 1'000'000;

struct Entry {
  std::string data;
  Version version = 0;
  std::uint64_t created = 0;          // cluster-wide increasing number of the transaction that made it
  std::uint64_t changed = 0;          // ... that changed it last
  std::uint64_t ephemeral_owner = 0;  // session, 0: persistent
  std::uint32_t children = 0;
  bool operator==(const Entry&) const = default;
};

// Operations of a transaction.
struct Check {
  std::string path;
  Version version = any_version;
};  // exists, and at this version
struct Create {
  std::string path;
  std::string data;
  bool ephemeral = false;
  bool sequential = false;
};
struct Set {
  std::string path;
  std::string data;
  Version version = any_version;
};
struct Remove {
  std::string path;
  Version version = any_version;
};  // fails while it has children
using Operation = std::variant<Check, Create, Set, Remove>;

using pvcd::CommitCode;
struct CommitResult {
  CommitCode code = CommitCode::Unknown;
  std::size_t failed = 0;            // index of the operation that failed, if one did
  std::vector<std::string> created;  // paths made by Create, in order (sequential ones with their number)
  std::vector<Version> versions;     // of each Set, in order of the operations; 0 for the others
  Instant sent_at = 0;               // CLOCK_BOOTTIME when it was sent: what a proof of liveness counts from
};

enum class ReadCode { Ok, NoEntry, Denied, Unknown };
struct ReadResult {
  ReadCode code = ReadCode::Unknown;
  Entry entry;
  std::vector<std::string> children;  // of list(); names, not paths
};

enum class SessionState { Connecting, Connected, Expired, Denied };

using Committed = std::function<void(const CommitResult&)>;
using Read = std::function<void(const ReadResult&)>;
// Something about the path changed, or may have: once; also after a lost session, and when the servers were out of
// reach for longer than a moment (they may be restored ones).
using Changed = std::function<void()>;

class Store {
 public:
  virtual ~Store() = default;

  virtual void commit(std::vector<Operation>, Committed) = 0;
  virtual void get(const std::string& path, Read, Changed = {}) = 0;  // Changed also when a missing entry is created
  virtual void get_existing(const std::string& path, Read, Changed = {}) = 0;  // a missing entry leaves no watch behind
  virtual void list(const std::string& path, Read, Changed = {}) = 0;  // children's names; entry without its data
  virtual void sync(std::function<void(ReadCode)>) = 0;  // what is read afterwards is at least as new as this call

  virtual sd_event* loop() const = 0;
  virtual SessionState state() const = 0;
  virtual std::uint64_t session() const = 0;                     // 0: none yet
  virtual Microseconds session_timeout() const = 0;              // as negotiated (safety rule 18); 0: never connected
  virtual void on_state(std::function<void(SessionState)>) = 0;  // one; replaces the last
  // Same session, another server: when a write stays unanswered, or the server's host may be dying. Not when a write
  // failed: a new connection is being made then, and this would end it.
  virtual void next_server() = 0;
  virtual std::string server_address() const = 0;  // numeric, of the server that it is connected to; empty: none
  virtual void close() = 0;                        // ends the session; ephemerals go; may block for 6 s
};

using Warn = std::function<void(const std::string&)>;

struct ZookeeperOptions {
  std::vector<std::string> servers;  // host:port; one without an address is looked for again
  std::string root;                  // "/pvcd/<cluster>"
  Microseconds session_timeout = 0;
  std::string credentials;   // "user:password", digest; everything written carries an ACL for it alone
  std::string session_file;  // empty: none kept; else id and secret, 0600, locked, so that a restart resumes the
                             // session. Keep it below /run: a session must not outlive its boot.
  Warn warn;                 // of what is odd about the servers or their data, and of what is denied
};
// Throws Error for wrong options and for a session file in use. Creates the root and the directories of paths.hpp.
std::unique_ptr<Store> open_zookeeper(sd_event* loop, const ZookeeperOptions&);

// In memory, one process: for tests. Sessions end by Local::expire.
class Local {
 public:
  static std::shared_ptr<Local> make();
  virtual ~Local() = default;
  virtual std::unique_ptr<Store> open(sd_event* loop) = 0;
  virtual std::unique_ptr<Store> resume(sd_event* loop, std::uint64_t session) = 0;
  virtual void expire(std::uint64_t session) = 0;
  virtual void disconnect(std::uint64_t session, bool lost_replies) = 0;  // outcome of what is under way: Unknown
  virtual void reconnect(std::uint64_t session) = 0;
  virtual void stall_server(std::uint64_t session) = 0;  // nothing is answered until the client changes server
};

}  // namespace pvcd::store
