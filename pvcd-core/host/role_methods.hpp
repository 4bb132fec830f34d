// The roles of a plugin as a table of methods with text in and text out: the one place that knows which C++ method
// answers which method of dbus/org.pvcd1.plugin.xml.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "host/newest_epoch.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::host {

struct Call {
  std::string what;  // "Power n2", for people
  std::string lane;  // calls of different lanes may come at the same time; empty: on the plugin's own thread
  std::function<std::string()>
      work;  // gives the answer; never throws: what a plugin throws is an Unknown with its text
};

struct InvalidRequest {
  std::string text;
};

struct RoleMethod {
  const char* role;  // "Fencer"
  const char* interface;
  const char* name;
  std::function<std::variant<Call, InvalidRequest>(const std::string& request)> prepare;
};

// Of the roles it fills; the plugin and the epochs must outlive them.
std::vector<RoleMethod> role_methods(Plugin&, const std::string& plugin_name, NewestEpochs&);

}  // namespace pvcd::host
