#include "script.hpp"

#include <charconv>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "sdk/plugin.hpp"

namespace pvcd::fake {

namespace fs = std::filesystem;

Lines::Lines(const fs::path& file) : file_(file) {
  std::ifstream input(file);
  for (std::string line; std::getline(input, line);) {
    const std::size_t space = std::min(line.find(' '), line.size());
    values_[line.substr(0, space)] = line.substr(std::min(space + 1, line.size()));
  }
}

std::string Lines::text(const std::string& key, const std::string& fallback) const {
  const auto found = values_.find(key);
  return found != values_.end() ? found->second : fallback;
}

std::uint64_t Lines::number(const std::string& key, std::uint64_t fallback) const {
  const std::string value = text(key);
  if (value.empty()) return fallback;
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size())
    throw Error(file_.string() + ": " + key + " must be a number, not " + value);
  return result;
}

Lines Script::call(const std::string& name, const std::string& what) const {
  std::ofstream(folder_ / "calls.log", std::ios::app) << name + " " + what + "\n";
  Lines lines(folder_ / name);
  std::this_thread::sleep_for(std::chrono::milliseconds(lines.number("delay_ms", 0)));
  return lines;
}

std::string Script::read(const std::string& name) const {
  std::ifstream input(folder_ / name);
  std::string line;
  std::getline(input, line);
  return line;
}

// By rename, so that a test never reads half of it.
void Script::write(const std::string& name, const std::string& content) const {
  const fs::path fresh = folder_ / (".new-" + name);
  std::ofstream(fresh) << content << "\n";
  fs::rename(fresh, folder_ / name);
}

void Script::remove(const std::string& name) const { fs::remove(folder_ / name); }

std::vector<std::string> Script::names(const std::string& prefix) const {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(prefix, 0) == 0) found.push_back(name.substr(prefix.size()));
  }
  return found;
}

}  // namespace pvcd::fake
