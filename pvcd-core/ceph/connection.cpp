#include "ceph/connection.hpp"

#include <cerrno>
#include <system_error>

#include "sdk/plugin.hpp"

namespace pvcd::ceph {

std::string meaning_of(int code) {
  if (code == -ETIMEDOUT) return "no answer from Ceph in time";
  if (code == -ESHUTDOWN) return "this host's address is blocklisted in Ceph";
  return std::generic_category().message(-code);
}

void throw_ceph_error(const std::string& doing, int code) { throw Error(doing + ": " + meaning_of(code)); }

Connection::Connection(const Options& options, const std::map<std::string, std::string>& settings) {
  if (const int code = rados_create(&handle_, options.client.c_str()); code < 0) {
    throw_ceph_error("Ceph user " + options.client, code);
  }
  try {
    if (const int code = rados_conf_read_file(handle_, options.conf.c_str()); code < 0) {
      throw_ceph_error("reading " + options.conf, code);
    }
    const std::string timeout_s = std::to_string(options.timeout_s);
    set("client_mount_timeout", timeout_s);
    set("rados_mon_op_timeout", timeout_s);
    set("rados_osd_op_timeout", timeout_s);
    for (const auto& [option, value] : settings) set(option, value);
    if (const int code = rados_connect(handle_); code < 0) {
      throw_ceph_error("connecting as client." + options.client + " with " + options.conf, code);
    }
  } catch (...) {
    rados_shutdown(handle_);
    throw;
  }
}

Connection::~Connection() { rados_shutdown(handle_); }

void Connection::set(const std::string& option, const std::string& value) const {
  if (const int code = rados_conf_set(handle_, option.c_str(), value.c_str()); code < 0) {
    throw_ceph_error("setting " + option, code);
  }
}

}  // namespace pvcd::ceph
