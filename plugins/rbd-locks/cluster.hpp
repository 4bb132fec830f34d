// One bounded connection to Ceph. Every call into librados or librbd on it returns within the time limit (three options
// of Ceph's, all needed); what fails is thrown as pvcd::Error with a sentence for people.
#pragma once

#include <rados/librados.h>

#include <cstdint>
#include <string>

namespace pvcd::rbd_locks {

struct ClusterOptions {
  std::string conf;         // path of ceph.conf
  std::string client;       // "admin" for client.admin
  std::uint64_t timeout_s;  // of one call; Ceph counts in whole seconds
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions&);  // connects
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  rados_t handle() const { return handle_; }

  // From here on no OSD takes a write of this instance ("ip:port/nonce"), in practice for ever: an entry that expires
  // hands the disk back to a QEMU that was only frozen (safety rule 2).
  void blocklist(const std::string& address) const;

  // Lifts the entry of a host, "ip:0/0".
  void let_in(const std::string& host) const;
  // Throws if this user may not: asked of an address that no host may have.
  void check_may_let_in() const;

  // Of the monitors; the answer's text.
  std::string command(const std::string& json) const;
  void wait_for_newest_map() const;

  // Throws if this user may not blocklist: an entry of one second for an address that no host may have.
  void check_may_blocklist() const;

 private:
  void set(const char* option, const std::string& value) const;
  void add_to_blocklist(const std::string& address, std::uint32_t expire_s) const;

  rados_t handle_ = nullptr;
};

// "<doing>: <what the negative return code of Ceph means>".
[[noreturn]] void throw_ceph_error(const std::string& doing, int code);

}  // namespace pvcd::rbd_locks
