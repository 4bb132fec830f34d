// The plugin's object on the bus, org.pvcd1.plugin.xml: what it is in, what it reported, and its roles.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/role_methods.hpp"
#include "sdk/types.hpp"

namespace pvcd::host {

// What the properties show; lives as long as the process, the adaptor only as long as its connection.
struct PluginStatus {
  std::string name;
  std::string state = "starting";  // starting running stalled shutdown failed
  Instant stalled_since = 0;
  std::vector<std::string> roles;
  std::map<std::string, std::string> facts;
  std::function<std::uint32_t()> queue_length;
};

class Adaptor {
 public:
  using Reply = sdbus::Result<std::string>;
  using Call = std::function<void(const RoleMethod&, const std::string& request, std::uint64_t id)>;

  // `call` is told of each method call and leads to answer() or refuse() with that id, at once or later.
  Adaptor(sdbus::IConnection&, const PluginStatus&, const std::vector<RoleMethod>&, Call call);
  ~Adaptor();

  void answer(std::uint64_t id, const std::string& text);
  void refuse(std::uint64_t id, const char* error_name, const std::string& text);

  void state_changed();
  void reported(const std::string& key, const std::string& value);

 private:
  void add_properties(const PluginStatus&);
  void add_method(const RoleMethod&);
  bool take(std::uint64_t id, Reply&);

  const Call call_;
  const std::unique_ptr<sdbus::IObject> object_;
  std::map<std::uint64_t, Reply> waiting_;  // bounded by the worker's queue; must go before the connection
};

}  // namespace pvcd::host
