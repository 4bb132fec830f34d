// One bounded connection to Ceph, for every plugin that speaks to it. Every call into librados or librbd on it returns
// within the time limit (three options of Ceph's, all needed); what fails is thrown as pvcd::Error with a sentence for
// people.
#pragma once

#include <rados/librados.h>

#include <cstdint>
#include <map>
#include <string>

namespace pvcd::ceph {

struct Options {
  std::string conf;         // path of ceph.conf
  std::string client;       // "admin" for client.admin
  std::uint64_t timeout_s;  // of one call; Ceph counts in whole seconds
};

class Connection {
 public:
  // Connects. `settings` are options of Ceph's that have to be set before.
  explicit Connection(const Options&, const std::map<std::string, std::string>& settings = {});
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  rados_t handle() const { return handle_; }

 private:
  void set(const std::string& option, const std::string& value) const;

  rados_t handle_ = nullptr;
};

// What a negative return code of Ceph's means, as the end of a sentence.
std::string meaning_of(int code);

// "<doing>: <what the negative return code of Ceph means>".
[[noreturn]] void throw_ceph_error(const std::string& doing, int code);

}  // namespace pvcd::ceph
