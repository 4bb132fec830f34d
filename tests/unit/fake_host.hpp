// A host for plugins under test: a loop, settings from maps, and everything that was reported and logged.
#pragma once

#include <stdlib.h>
#include <systemd/sd-event.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sdk/permit.hpp"
#include "sdk/plugin.hpp"
#include "store/request.hpp"

namespace pvcd::test {

// A directory of its own, removed at the end.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& in = std::filesystem::temp_directory_path()) {
    std::string name = (in / "pvcd-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

struct MapSettings : Settings {
  std::map<std::string, std::string, std::less<>> texts;
  std::map<std::string, std::int64_t, std::less<>> numbers;
  std::map<std::string, std::vector<std::string>, std::less<>> lists;

  std::string text(std::string_view key) const override { return find(texts, key); }
  std::int64_t number(std::string_view key) const override { return find(numbers, key); }
  std::vector<std::string> list(std::string_view key) const override { return find(lists, key); }
  std::vector<std::string> tables(std::string_view) const override { return {}; }
  const Settings& table(std::string_view, std::string_view) const override { return *this; }

 private:
  template <class Map>
  static typename Map::mapped_type find(const Map& map, std::string_view key) {
    auto found = map.find(key);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
  }
};

class FakeHost : public Host {
 public:
  FakeHost() { REQUIRE(sd_event_new(&loop_) >= 0); }
  ~FakeHost() override { sd_event_unref(loop_); }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const Settings& settings() const override { return values; }
  const Settings& shared() const override { return values; }
  void report(std::string key, std::string value) override { facts[std::move(key)] = std::move(value); }
  void log(Level, std::string_view message) override { journal += std::string(message) + "\n"; }
  sd_event* loop() override { return loop_; }
  bool holds(const Permit& permit) const override { return pvcd::holds(permit); }

  // Turns the loop until it is so. False: it was not so for the limit, which is far longer than it can take.
  bool turn_until(const std::function<bool()>& so, Microseconds limit = seconds(20)) {
    const Instant deadline = store::boottime_now() + limit;
    while (!so()) {
      if (store::boottime_now() > deadline) return false;
      sd_event_run(loop_, milliseconds(50));
    }
    return true;
  }

  bool logged(const std::string& text) const { return journal.find(text) != std::string::npos; }

  MapSettings values;
  std::map<std::string, std::string> facts;
  std::string journal;

 private:
  sd_event* loop_ = nullptr;
};

}  // namespace pvcd::test
