// The node's own memory of the store: what is on disk when it says so, and what it says about a file that it cannot
// use.
#include "core/high_water.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "sdk/plugin.hpp"

using namespace pvcd;
using namespace pvcd::core;
namespace fs = std::filesystem;

namespace {

std::vector<fs::path> synced;  // what this program has asked the kernel to put on disk

struct HighWaterCase {
  HighWaterCase() {
    std::string pattern = (fs::temp_directory_path() / "pvcd-high-water-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    file = folder / "high-water.json";
    view.complete = true;
    view.cluster = {ClusterRecord{"id", "lab", false}, 1};
    view.leader = {LeaderRecord{7, "n1", 1}, 1};
  }
  ~HighWaterCase() { fs::remove_all(folder); }

  std::string refusal(const std::string& text) {
    std::ofstream(file) << text;
    try {
      HighWater water(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "taken";
  }

  fs::path folder;
  fs::path file;
  logic::ClusterView view;
};

}  // namespace

// In place of the C library's.
extern "C" int fsync(int fd) {
  synced.push_back(fs::read_symlink("/proc/self/fd/" + std::to_string(fd)));
  return static_cast<int>(syscall(SYS_fsync, fd));
}

TEST_CASE("what this node has seen is on its disk before it acts on it: the file, then its directory (rule 15)") {
  HighWaterCase it;
  synced.clear();
  CHECK(HighWater(it.file).check(it.view, "n1").behind.empty());
  REQUIRE(synced.size() == 2);
  CHECK(synced[0] == it.file.string() + ".new");
  CHECK(synced[1] == it.folder);
}

TEST_CASE("a store that is behind is named with both values, by the next process too") {
  HighWaterCase it;
  HighWater(it.file).check(it.view, "n1");
  it.view.leader->value.epoch = 6;
  CHECK(HighWater(it.file).check(it.view, "n1").behind == "the store is at epoch 6, this node has seen 7");
  it.view.leader->value.epoch = 7;
  CHECK(HighWater(it.file).check(it.view, "n1").behind.empty());
}

TEST_CASE("a store that has lost the owner of a VM is behind: pvcd removes none, not even with its VM (rule 15)") {
  HighWaterCase it;
  it.view.owners["web"] = {OwnerRecord{3, {}, {}, false, 7, {}, {}}, 1};
  HighWater(it.file).check(it.view, "n1");
  SECTION("restored from before the VM was there") {
    it.view.owners.clear();
    CHECK(HighWater(it.file).check(it.view, "n1").behind ==
          "the store has VM web at generation 0, this node has seen 3");
  }
  SECTION("restored from before the VM moved") {
    it.view.owners.at("web").value.generation = 2;
    CHECK(HighWater(it.file).check(it.view, "n1").behind ==
          "the store has VM web at generation 2, this node has seen 3");
  }
  SECTION("one that cannot be read is not lost, and is remembered meanwhile") {
    it.view.owners.clear();
    it.view.broken["/owners/web"] = "not a JSON text";
    it.view.leader->value.epoch = 8;
    CHECK(HighWater(it.file).check(it.view, "n1").behind.empty());
    it.view.broken.clear();
    CHECK_FALSE(HighWater(it.file).check(it.view, "n1").behind.empty());
  }
  SECTION("the twin goes on") {
    it.view.owners.at("web").value.generation = 4;
    CHECK(HighWater(it.file).check(it.view, "n1").behind.empty());
  }
}

TEST_CASE("a file that cannot be used is named, with what is wrong and what to do") {
  const auto [text, wrong] = GENERATE(table<std::string, std::string>({
      {"", "parse error"},
      {"{\"cluster_id\":\"id\",\"epo", "parse error"},
      {"[]", "with array"},
      {"{\"cluster_id\":\"id\",\"epoch\":7}", "generations"},
      {"{\"cluster_id\":\"id\",\"epoch\":-1,\"generations\":{}}", "'-1' is no count"},
      {"{\"cluster_id\":\"id\",\"epoch\":7.5,\"generations\":{}}", "'7.5' is no count"},
      {"{\"cluster_id\":\"id\",\"epoch\":7,\"generations\":[]}", "'generations'"},
      {"{\"cluster_id\":\"id\",\"epoch\":7,\"primary\":1,\"generations\":{}}", "number"},
      {"{\"cluster_id\":\"id\",\"epoch\":7,\"generations\":{\"a\":\"1\"}}", "is no count"},
  }));
  HighWaterCase it;
  const std::string refusal = it.refusal(text);
  CHECK_THAT(refusal, Catch::Contains(it.file.string()) && Catch::Contains(wrong) && Catch::Contains("remove it if"));
}

TEST_CASE(
    "who led in the highest epoch is remembered over a restart: two histories may use the same number (rule 15)") {
  HighWaterCase it;
  HighWater(it.file).check(it.view, "n2");
  it.view.leader->value = {7, "n3", 4};
  CHECK(HighWater(it.file).check(it.view, "n2").behind ==
        "the store has n3.4 as primary of epoch 7, this node has seen n1.1");
}

TEST_CASE("the twin of a damaged file") {
  CHECK(HighWaterCase().refusal("{\"cluster_id\":\"id\",\"epoch\":7,\"generations\":{\"a\":1}}") == "taken");
}
