// The folder that tells the fake what to answer and keeps what it was told. Read again at each call, so a test changes
// the behaviour of a running plugin by writing a file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd::fake {

// The file named like a call: one "key value" a line. A missing file or key is the empty text.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& file);
  std::string text(const std::string& key, const std::string& fallback = {}) const;
  std::uint64_t number(const std::string& key, std::uint64_t fallback) const;  // throws Error if it is none

 private:
  std::filesystem::path file_;
  std::map<std::string, std::string> values_;
};

class Script {
 public:
  explicit Script(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Notes the call in calls.log, waits its delay_ms, and gives its file.
  Lines call(const std::string& name, const std::string& what) const;

  // What the fake world is like: one small file each; empty if there is none.
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& content) const;
  void remove(const std::string& name) const;
  std::vector<std::string> names(const std::string& prefix) const;  // without the prefix

 private:
  std::filesystem::path folder_;
};

}  // namespace pvcd::fake
