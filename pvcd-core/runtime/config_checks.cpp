#include "runtime/config_checks.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "runtime/wire.hpp"
#include "sdk/bmc_identity.hpp"
#include "sdk/self_fence.hpp"
#include "sdk/store_access.hpp"

namespace pvcd::runtime {

namespace {

struct Setting {
  const Table& table;
  std::string_view key;

  std::int64_t number() const { return table.number(key); }
  std::string quoted() const { return "\"" + table.full(key) + "\""; }
  bool is_given() const { return table.line(key).has_value(); }
};

[[noreturn]] void refuse(const Setting& setting, const std::string& what) {
  const auto line = setting.table.line(setting.key);
  throw Error(setting.table.file().string() + (line ? ":" + std::to_string(*line) : "") + ": " + setting.quoted() +
              " " + what);
}

std::string short_place(const Setting& setting) {
  const std::string file = setting.table.file().filename().string();
  return setting.is_given() ? file + ":" + std::to_string(*setting.table.line(setting.key)) : "the default of " + file;
}

[[noreturn]] void refuse_together(const std::vector<Setting>& numbers, const std::string& rule) {
  std::string values;
  for (const Setting& each : numbers)
    values += (values.empty() ? "" : ", ") + each.quoted() + " is " + std::to_string(each.number()) + " (" +
              short_place(each) + ")";
  const auto given = std::ranges::find_if(numbers, &Setting::is_given);
  refuse(given == numbers.end() ? numbers.front() : *given, "does not fit: " + rule + "; " + values);
}

std::string in_ms(std::int64_t number) { return std::to_string(number) + " ms"; }

// A proof must outlive the worst healthy interruption: the store's leader dies just before a proof would be renewed
// (T/6), the servers notice and elect, and the write is sent again after one heartbeat (T/24). Else nodes lose their
// right to act whenever a store server restarts.
void check_session_timings(const Table& shared) {
  const SessionTimings timings = session_timings(shared);
  const auto of = [&](const char* key) { return static_cast<std::uint64_t>(shared.number(key)); };
  const Microseconds heartbeat = timings.timeout / 24;
  const Microseconds outage = milliseconds(of("store.server_sync_limit") * of("store.server_tick_ms")) +
                              milliseconds(of("store.server_election_ms")) + timings.proof_interval + heartbeat;
  if (outage < timings.proof_limit) return;
  refuse_together({{shared, "store.session_timeout_ms"},
                   {shared, "store.server_sync_limit"},
                   {shared, "store.server_tick_ms"},
                   {shared, "store.server_election_ms"}},
                  "server_sync_limit * server_tick_ms + server_election_ms + a sixth and a twenty-fourth of "
                  "session_timeout_ms are " +
                      std::to_string(outage / 1000) + " ms, which must be less than two thirds of " +
                      "session_timeout_ms, " + std::to_string(timings.proof_limit / 1000) +
                      " ms: make session_timeout_ms longer, or the servers' tickTime or syncLimit smaller");
}

// A heartbeat comes every sixth of the session, and has to be seen: whoever is suspect in between always is.
void check_suspicion(const Table& shared) {
  const Setting suspect{shared, "timings.suspect_after_ms"};
  const Setting session{shared, "store.session_timeout_ms"};
  if (suspect.number() >= session.number() / 4) return;
  refuse_together({suspect, session}, suspect.quoted() + " must be at least a quarter of " + session.quoted() + ", " +
                                          in_ms(session.number() / 4) +
                                          ": a heartbeat comes every sixth, and every node would be suspect between "
                                          "two of them");
}

void check_order(const Setting& less, const Setting& more) {
  if (less.number() > more.number())
    refuse_together({less, more}, less.quoted() + " must not be more than " + more.quoted());
}

void check_coordinators(const Table& shared) {
  const Setting coordinators{shared, "cluster.coordinators"};
  auto names = shared.list(coordinators.key);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
    refuse(coordinators, "names \"" + *twice + "\" twice");
  if (names.size() != 1 && names.size() != 3 && names.size() != 5)
    refuse(coordinators, "has " + std::to_string(names.size()) + " nodes, must have 1, 3 or 5");
}

void check_storage_addresses(const Table& shared) {
  const Setting floating{shared, "node.floating_addresses"};
  const auto moving = shared.list(floating.key);
  for (const std::string& address : shared.list("node.storage_addresses"))
    if (std::ranges::find(moving, address) != moving.end())
      refuse({shared, "node.storage_addresses"},
             "has the floating address " + address + " (" + short_place(floating) +
                 "): blocking it would hit whatever node has it then; give the node's own address");
}

bool is_pre_start_hook(const std::string& plugin, const Table& shared) {
  const auto hooks = shared.list("hooks.vm_pre_start");
  return std::ranges::find(hooks, plugin) != hooks.end();
}

// Nobody else would look whether it is the same file system (safety rule 12).
void check_shared_directories(const Table& shared) {
  const Setting directories{shared, "storage.shared_directories"};
  const Setting hooks{shared, "hooks.vm_pre_start"};
  if (shared.list(directories.key).empty() || is_pre_start_hook("shared-files", shared)) return;
  refuse(directories,
         "needs the hook \"shared-files\", which looks whether it is the same file system on each node: add " +
             ("it to " + hooks.quoted()) + " (" + short_place(hooks) + ")");
}

// The kernel takes whole seconds, and the device gets half of it (watchdog/helper.cpp).
void check_self_fence(const Table& shared) {
  const std::string mode = shared.text("self_fence.mode");
  if (mode != "off" && mode != self_fence_by_watchdog)
    refuse({shared, "self_fence.mode"}, "is \"" + mode + "\", must be \"off\" or \"watchdog\"");
  if (!shared.text("self_fence.device").starts_with("/"))
    refuse({shared, "self_fence.device"}, "must be an absolute path");
  if (shared.number("self_fence.timeout_ms") % 2000 != 0)
    refuse({shared, "self_fence.timeout_ms"},
           "must be a multiple of 2000 ms: the device is set to half of it, in whole seconds");
}

// Of plugins whose requests make calls of timeout_ms: how many in a row may run into it, and to what it is rounded up.
struct CallLimit {
  std::string_view plugin;
  std::int64_t in_a_row;
  std::int64_t unit_ms;
};
// ceph-osd: to connect, and the commands to the manager.
constexpr CallLimit call_limits[] = {{"ceph-osd", 6, 1000}, {"ipmi", 2, 1}, {"rbd-locks", 1, 1000}};

constexpr std::int64_t stall_limit_min_ms = 1000;  // host/worker.cpp shows four times as often that its loop turns

// What holds for this plugin.
Setting stall_limit(const Table& own, const Table& shared) {
  const Setting its_own{own, "stall_limit_ms"};
  return its_own.number() > 0 ? its_own : Setting{shared, "timings.plugin_stall_limit_ms"};
}

void check_stall_limit(const std::string& plugin, const Table& own, const Table& shared) {
  const Setting stall = stall_limit(own, shared);
  if (stall.number() < stall_limit_min_ms)
    refuse(stall, "is " + in_ms(stall.number()) + ", must be 0 or at least " + in_ms(stall_limit_min_ms));
  if (is_pre_start_hook(plugin, shared)) check_order({shared, "timings.hook_deadline_ms"}, stall);
}

// A request that is taken for a stall costs the process, with all that is under way in it. A hook that is given up
// before its first call has failed cannot say what is in the way, and is asked again while it still waits.
void check_call_limits(const std::string& plugin, const Table& own, const Table& shared) {
  const auto limit = std::ranges::find(call_limits, plugin, &CallLimit::plugin);
  if (limit == std::end(call_limits)) return;
  const Setting call{own, "timeout_ms"};
  const std::int64_t call_ms = (call.number() + limit->unit_ms - 1) / limit->unit_ms * limit->unit_ms;
  const std::int64_t request_ms = limit->in_a_row * call_ms;
  const Setting stall = stall_limit(own, shared);
  if (request_ms >= stall.number())
    refuse_together({call, stall}, std::to_string(limit->in_a_row) + " calls of " + in_ms(call_ms) +
                                       " would be taken for a stall, whose limit is " + in_ms(stall.number()));
  const bool is_waited_for = plugin == shared.text("fencing.fencer") || plugin == shared.text("storage.plugin");
  const auto answer_limit_ms = static_cast<std::int64_t>(answer_limit / milliseconds(1));
  if (is_waited_for && request_ms >= answer_limit_ms)
    refuse_together({call}, std::to_string(limit->in_a_row) + " calls of " + in_ms(call_ms) +
                                " must end before the core gives the answer up, after " + in_ms(answer_limit_ms));
  const Setting deadline{shared, "timings.hook_deadline_ms"};
  if (is_pre_start_hook(plugin, shared) && call_ms >= deadline.number())
    refuse_together({call, deadline}, "one call of " + in_ms(call_ms) + " must end before the hook's deadline, " +
                                          in_ms(deadline.number()));
  const Setting fence{shared, "timings.fence_deadline_ms"};
  const bool fences = plugin == shared.text("fencing.fencer") || plugin == shared.text("fencing.storage_fencer");
  if (fences && call_ms > fence.number())
    refuse_together({call, fence},
                    "one call of " + in_ms(call_ms) + " must end within an attempt to fence, " + in_ms(fence.number()));
}

// Nobody but the owner may read it, and the owner is who runs this (root) or root.
void check_secret(const Setting& names, Form form) {
  const std::string path = names.table.text(names.key);
  const auto wrong = [&](const std::string& what) { refuse(names, "names " + path + ", which " + what); };
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    wrong("cannot be read: " + std::string(std::strerror(errno)) + "; make it with mode 0600, owned by root");
  if (status.st_uid != 0 && status.st_uid != geteuid()) wrong("must belong to root: chown root " + path);
  if ((status.st_mode & 0177) != 0) wrong("others may read: chmod 0600 " + path);
  if (form != Form::CredentialsFile) return;
  std::ifstream file(path);
  if (!file && errno == EACCES) wrong("you may not read; run this as root");
  std::string line;
  if (!std::getline(file, line)) wrong("cannot be read or is empty; its first line must be user:password");
  if (!is_user_and_password(line)) wrong("does not hold user:password in its first line");
}

void check_secrets(std::string_view file, const Table& table) {
  for (const Key& key : config_keys()) {
    if (key.file != file || (key.form != Form::SecretFile && key.form != Form::CredentialsFile)) continue;
    if (!key.table.ends_with(".*")) {
      const std::string full = std::string(key.table) + (key.table.empty() ? "" : ".") + std::string(key.name);
      check_secret({table, full}, key.form);
      continue;
    }
    const std::string_view kind = key.table.substr(0, key.table.size() - 2);
    for (const std::string& name : table.tables(kind)) check_secret({table.table(kind, name), key.name}, key.form);
  }
}

// A GUID beside the mark would look as if it were checked, too.
void check_bmcs(const Table& own) {
  for (const std::string& node : own.tables("bmc")) {
    const Setting identity{own.table("bmc", node), "identity"};
    const std::string value = identity.table.text(identity.key);
    if (value != bmc_by_guid && value != bmc_by_mark)
      refuse(identity, "is \"" + value + "\", must be \"guid\" or \"mark\"");
    const Setting guid{identity.table, "guid"};
    if (value == bmc_by_mark && guid.is_given())
      refuse(guid, "contradicts " + identity.quoted() + " (" + short_place(identity) +
                       "), by which the BMC is recognised by its mark alone: remove one of them");
  }
}

}  // namespace

void check_shared(const Table& shared) {
  check_session_timings(shared);
  check_suspicion(shared);
  check_order({shared, "timings.retry_min_ms"}, {shared, "timings.retry_max_ms"});
  check_coordinators(shared);
  check_storage_addresses(shared);
  check_shared_directories(shared);
  check_self_fence(shared);
  check_secrets("pvcd", shared);
}

void check_plugin(const std::string& plugin, const Table& own, const Table& shared) {
  check_stall_limit(plugin, own, shared);
  check_call_limits(plugin, own, shared);
  check_secrets(plugin, own);
  if (plugin == "ipmi") check_bmcs(own);
}

}  // namespace pvcd::runtime
