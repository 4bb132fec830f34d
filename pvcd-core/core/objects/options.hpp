// Reads an a{sv} argument: every key has one type, and a key that nobody takes is an error that names it.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <optional>
#include <string>

#include "core/requests.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

using Options = std::map<std::string, sdbus::Variant>;

// Throws sdbus::Error InvalidArgument.
class OptionReader {
 public:
  explicit OptionReader(const Options& options) : options_(options) {}

  template <class T>
  std::optional<T> take(const std::string& key) {
    auto found = options_.find(key);
    if (found == options_.end()) return std::nullopt;
    if (!found->second.containsValueOfType<T>())
      throw sdbus::Error(runtime::names::error::invalid_argument, "options: '" + key + "' has type " +
                                                                      found->second.peekValueType() + "; give it as " +
                                                                      sdbus::signature_of<T>::str());
    const T value = found->second.get<T>();
    options_.erase(found);
    return value;
  }

  void finish() const {
    if (!options_.empty())
      throw sdbus::Error(runtime::names::error::invalid_argument,
                         "options: this method knows no key '" + options_.begin()->first + "'; leave it out");
  }

 private:
  Options options_;
};

inline void no_options(const Options& options) { OptionReader(options).finish(); }

inline VmSettings take_vm_settings(OptionReader& options) {
  VmSettings settings;
  settings.node_limit = options.take<std::vector<std::string>>("node_limit");
  settings.priority = options.take<std::int32_t>("priority");
  settings.tags = options.take<std::vector<std::string>>("tags");
  settings.profile = options.take<std::string>("profile");
  settings.autostart = options.take<bool>("autostart");
  return settings;
}

}  // namespace pvcd::core
