// The connection to Ceph as this plugin needs it: with the right to blocklist. What fails is thrown as pvcd::Error.
#pragma once

#include <cstdint>
#include <string>

#include "ceph/connection.hpp"

namespace pvcd::rbd_locks {

using ceph::throw_ceph_error;

class Cluster {
 public:
  explicit Cluster(const ceph::Options&);  // connects

  rados_t handle() const { return connection_.handle(); }

  // From here on no OSD takes a write of this instance ("ip:port/nonce"), in practice for ever: an entry that expires
  // hands the disk back to a QEMU that was only frozen (safety rule 2).
  void blocklist(const std::string& address) const;

  // Lifts the entry of a host, "ip:0/0".
  void let_in(const std::string& host) const;
  // Throws if this user may not: asked of an address that no host may have.
  void check_may_let_in() const;

  // Of the monitors; the answer's text.
  std::string command(const std::string& json) const;
  void check_answers() const;  // throws unless a monitor does, within the limit
  void wait_for_newest_map() const;
  void catch_up() const;  // to what the monitors know of OSDs

  // Throws if this user may not blocklist: an entry of one second for an address that no host may have.
  void check_may_blocklist() const;

 private:
  void add_to_blocklist(const std::string& address, std::uint32_t expire_s) const;

  ceph::Connection connection_;
};

}  // namespace pvcd::rbd_locks
