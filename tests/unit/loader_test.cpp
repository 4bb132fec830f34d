#include "host/loader.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
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

TEST_CASE("the build is named by every header of the SDK: one that changed is another build") {
  const fs::path sdk = fs::path(PVCD_SOURCE_DIRECTORY) / "pvcd-core/sdk";
  const auto id_of = [&](const fs::path& headers, const std::string& left_out = {}) {
    std::set<fs::path> files;
    for (const auto& file : fs::directory_iterator(headers))
      if (file.path().extension() == ".hpp" && file.path().filename() != left_out) files.insert(file.path());
    std::string command = (sdk / "make-build-id").string() + " release " + (headers / "id").string();
    for (const fs::path& file : files) command += " " + file.string();
    if (std::system((command + " 2>/dev/null").c_str()) != 0) return std::string("refused");
    std::ifstream in(headers / "id");
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const Scratch scratch;
  for (const auto& file : fs::directory_iterator(sdk))
    if (file.path().extension() == ".hpp") fs::copy(file, scratch.path);
  const std::string before = id_of(scratch.path);
  CHECK(before == id_of(scratch.path));
  std::ofstream(scratch.path / "roles.hpp", std::ios::app) << "struct More {};\n";
  CHECK(before != id_of(scratch.path));
  CHECK(id_of(scratch.path, "types.hpp") == "refused");
  CHECK_THAT(std::string(PVCD_BUILD_ID), Catch::Matches(".*-[0-9a-f]{16}"));
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
