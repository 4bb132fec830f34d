// The roles of a plugin as a table of methods with text in and text out: the one place that knows which C++ method
// answers which method of dbus/org.pvcd1.plugin.xml.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "sdk/plugin.hpp"

namespace pvcd::host {

// Runs on the worker's thread and gives the answer. Never throws: what a plugin throws is an Unknown with its text.
using Work = std::function<std::string()>;

struct InvalidRequest {
  std::string text;
};

struct RoleMethod {
  const char* role;  // "Fencer"
  const char* interface;
  const char* name;
  std::function<std::variant<Work, InvalidRequest>(const std::string& request)> prepare;
};

// Of the roles it fills; the plugin must outlive them.
std::vector<RoleMethod> role_methods(Plugin&);

}  // namespace pvcd::host
