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

void Cluster::check_may_blocklist() const { add_to_blocklist(nobodys_address, 1); }

}  // namespace pvcd::rbd_locks
