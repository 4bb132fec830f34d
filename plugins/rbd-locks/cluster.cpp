#include "cluster.hpp"

#include <cerrno>

#include "sdk/plugin.hpp"

namespace pvcd::rbd_locks {

namespace {

// Ten years. Zero would mean the monitors' default of one hour.
constexpr std::uint32_t for_ever_s = 10U * 365 * 24 * 3600;

// From TEST-NET-1 (RFC 5737): never the address of a client.
constexpr const char* nobodys_address = "192.0.2.1:0/1";

}  // namespace

// We blocklist each owner ourselves before its lock is broken, by the address that was listed. An image's own settings
// may turn librbd's second blocklisting on again; it must not replace our entry by one that expires.
Cluster::Cluster(const ceph::Options& options)
    : connection_(options, {{"rbd_blocklist_on_break_lock", "false"},
                            {"rbd_blocklist_expire_seconds", std::to_string(for_ever_s)}}) {}

void Cluster::add_to_blocklist(const std::string& address, std::uint32_t expire_s) const {
  std::string writable = address;  // the C interface takes a char*, and does not write to it
  const int code = rados_blocklist_add(handle(), writable.data(), expire_s);
  if (code == -EACCES || code == -EPERM) {
    throw Error("blocklisting " + address + ": the Ceph user may not; it needs the capability mon 'profile rbd'");
  }
  if (code < 0) throw_ceph_error("blocklisting " + address, code);
}

void Cluster::blocklist(const std::string& address) const { add_to_blocklist(address, for_ever_s); }

std::string Cluster::command(const std::string& json) const {
  const char* commands[] = {json.c_str()};
  char* answer = nullptr;
  std::size_t length = 0;
  char* status = nullptr;
  std::size_t status_length = 0;
  const int code = rados_mon_command(handle(), commands, 1, "", 0, &answer, &length, &status, &status_length);
  const std::string text(answer == nullptr ? "" : answer, length);
  const std::string why(status == nullptr ? "" : status, status_length);
  rados_buffer_free(answer);
  rados_buffer_free(status);
  if (code == -EACCES || code == -EPERM)
    throw Error("the Ceph user may not do " + json + "; see the capabilities in the README of rbd-locks");
  if (code < 0) throw_ceph_error(json + (why.empty() ? "" : " (" + why + ")"), code);
  return text;
}

void Cluster::let_in(const std::string& host) const {
  command(R"({"prefix": "osd blocklist", "blocklistop": "rm", "addr": ")" + host + "\"}");
}

void Cluster::check_may_let_in() const { let_in(nobodys_address); }

void Cluster::wait_for_newest_map() const {
  if (const int code = rados_wait_for_latest_osdmap(handle()); code < 0)
    throw_ceph_error("waiting for the newest OSD map", code);
}

void Cluster::check_answers() const { command(R"({"prefix": "osd getmaxosd"})"); }

// The first question has a limit, which the wait for the map has not.
void Cluster::catch_up() const {
  check_answers();
  wait_for_newest_map();
}

void Cluster::check_may_blocklist() const { add_to_blocklist(nobodys_address, 1); }

}  // namespace pvcd::rbd_locks
