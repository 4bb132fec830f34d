// Reads an a{sv} argument: every key has one type and a bound, and a key that nobody takes is an error that names it.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/requests.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

using Options = std::map<std::string, sdbus::Variant>;

// Each is kept while polkit is asked, and somebody who may do nothing can send many.
inline constexpr std::size_t texts_max = 1000;
inline constexpr std::size_t text_bytes_max = 1000;

// Throws sdbus::Error InvalidArgument.
inline void require_short(const std::string& key, const std::string& text) {
  if (text.size() > text_bytes_max)
    throw sdbus::Error(runtime::names::error::invalid_argument, key + ": a text of " + std::to_string(text.size()) +
                                                                    " bytes; at most " +
                                                                    std::to_string(text_bytes_max) + " are taken");
}
inline void require_short(const std::string& key, const std::vector<std::string>& texts) {
  if (texts.size() > texts_max)
    throw sdbus::Error(
        runtime::names::error::invalid_argument,
        key + ": " + std::to_string(texts.size()) + " texts; at most " + std::to_string(texts_max) + " are taken");
  for (const std::string& text : texts) require_short(key, text);
}

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
    if constexpr (requires { require_short(key, value); }) require_short(key, value);
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
