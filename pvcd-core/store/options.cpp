#include "store/options.hpp"

#include <fstream>
#include <utility>

namespace pvcd::store {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (std::getline(file, line) && !line.empty()) return line;
  throw Error("store.credentials_file " + path +
              " cannot be read or is empty; its first line must be \"user:password\"");
}

}  // namespace

ZookeeperOptions zookeeper_options(const Settings& shared, Warn warn) {
  ZookeeperOptions options;
  options.servers = shared.list("store.servers");
  options.root = "/pvcd/" + shared.text("cluster.name");
  options.session_timeout = milliseconds(static_cast<std::uint64_t>(shared.number("store.session_timeout_ms")));
  options.credentials = first_line(shared.text("store.credentials_file"));
  options.warn = std::move(warn);
  return options;
}

}  // namespace pvcd::store
