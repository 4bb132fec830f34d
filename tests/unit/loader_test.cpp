#include "host/loader.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace pvcd;
namespace fs = std::filesystem;

namespace {

fs::path directory() {
  const char* value = std::getenv("PVCD_LOADER_PLUGINS");
  if (value == nullptr) throw std::runtime_error("PVCD_LOADER_PLUGINS is not set: run this by meson test");
  return value;
}

std::string refusal(const fs::path& from, const std::string& name) {
  try {
    host::load_plugin(from, name);
  } catch (const Error& error) {
    return error.what();
  }
  return "loaded";
}

class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "pvcd-loader-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Scratch() { fs::remove_all(path); }
  fs::path path;
};

}  // namespace

TEST_CASE("a plugin of this build is loaded with what its entry says") {
  const host::LoadedPlugin loaded = host::load_plugin(directory(), "sample");
  CHECK(loaded.name == "sample");
  CHECK_FALSE(loaded.needs_bus);
  CHECK(loaded.plugin != nullptr);
}

TEST_CASE("a plugin of another build is refused, with both builds and the file named") {
  const std::string text = refusal(directory(), "foreign");
  CHECK_THAT(text, Catch::Contains((directory() / "foreign.so").string()));
  CHECK_THAT(text, Catch::Contains("of-another-release"));
}

TEST_CASE("a file that bears another plugin's name is refused") {
  const Scratch scratch;
  fs::copy(directory() / "sample.so", scratch.path / "other.so");
  CHECK_THAT(refusal(scratch.path, "other"), Catch::Contains("other.so") && Catch::Contains("\"sample\""));
}

TEST_CASE("what is no plugin is refused, with the file named") {
  const Scratch scratch;
  CHECK_THAT(refusal(scratch.path, "absent"), Catch::Contains("absent.so") && Catch::Contains("no such plugin"));

  std::ofstream(scratch.path / "text.so") << "not a library\n";
  CHECK_THAT(refusal(scratch.path, "text"), Catch::Contains("text.so") && Catch::Contains("cannot be loaded"));
}
