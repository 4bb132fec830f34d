#include "plugins/keepalive/sleep.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/fake_host.hpp"

namespace pvcd::keepalive {
namespace {

namespace fs = std::filesystem;

// The root of a host whose kernel can do all of it, and whose systemd would.
struct Root {
  Root() {
    write("/sys/power/state", "freeze mem disk\n");
    fs::create_directories(folder.path / "etc/systemd/system");
  }

  void write(const std::string& path, const std::string& text) const {
    const fs::path file = folder.path.string() + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void mask(const std::string& unit, const std::string& directory = "/etc/systemd/system",
            const std::string& to = "/dev/null") const {
    const fs::path file = folder.path.string() + directory + "/" + unit;
    fs::create_directories(file.parent_path());
    fs::create_symlink(to, file);
  }
  std::string why() const { return why_it_may_sleep(folder.path); }

  test::Folder folder;
};

}  // namespace

TEST_CASE("a host that the kernel and systemd would let sleep may sleep", "[keepalive]") {
  const Root root;
  CHECK(root.why() ==
        "the kernel offers \"freeze mem disk\", sleep.target is not masked, suspend.target is not masked");
}

TEST_CASE("a host whose kernel offers no state cannot sleep", "[keepalive]") {
  const Root root;
  SECTION("the file is empty") { root.write("/sys/power/state", ""); }
  SECTION("it has an empty line") { root.write("/sys/power/state", "\n"); }
  SECTION("it is not there") { fs::remove_all(root.folder.path / "sys"); }
  CHECK(root.why().empty());
}

TEST_CASE("a host whose sleep is masked cannot sleep", "[keepalive]") {
  const Root root;
  SECTION("for good") { root.mask("sleep.target"); }
  SECTION("until it boots") { root.mask("sleep.target", "/run/systemd/system"); }
  SECTION("by an empty file") { root.write("/etc/systemd/system/sleep.target", ""); }
  SECTION("each way of it") {
    for (const char* unit : {"suspend.target", "hibernate.target", "hybrid-sleep.target"}) root.mask(unit);
    CHECK(root.why() ==
          "the kernel offers \"freeze mem disk\", sleep.target is not masked, suspend-then-hibernate.target is not "
          "masked");
    root.mask("suspend-then-hibernate.target");
  }
  CHECK(root.why().empty());
}

TEST_CASE("what is no mask does not keep a host from sleeping", "[keepalive]") {
  const Root root;
  SECTION("a unit of the administrator's") { root.write("/etc/systemd/system/sleep.target", "[Unit]\n"); }
  SECTION("which comes before a mask until the next boot") {
    root.write("/etc/systemd/system/sleep.target", "[Unit]\n");
    root.mask("sleep.target", "/run/systemd/system");
  }
  SECTION("a link to another unit") {
    root.write("/lib/sleep.target", "[Unit]\n");
    root.mask("sleep.target", "/etc/systemd/system", root.folder.path.string() + "/lib/sleep.target");
  }
  SECTION("a mask of another unit") { root.mask("suspend.target"); }
  CHECK(root.why().find("sleep.target is not masked") != std::string::npos);
}

TEST_CASE("what cannot be read does not say that a host cannot sleep", "[keepalive]") {
  const Root root;
  SECTION("a link to nothing") {
    root.mask("sleep.target", "/etc/systemd/system", "/nothing");
    CHECK(root.why() ==
          "the kernel offers \"freeze mem disk\", /etc/systemd/system/sleep.target cannot be read: "
          "No such file or directory, suspend.target is not masked");
  }
  SECTION("a link to itself") {
    root.mask("sleep.target", "/etc/systemd/system", "sleep.target");
    CHECK(root.why().find("/etc/systemd/system/sleep.target cannot be read: Too many") != std::string::npos);
  }
  SECTION("the states") {
    fs::remove(root.folder.path / "sys/power/state");
    fs::create_symlink("state", root.folder.path / "sys/power/state");
    CHECK(root.why().find("/sys/power/state cannot be read: Too many") != std::string::npos);
    root.mask("sleep.target");
    CHECK(root.why().empty());  // whatever the kernel offers
  }
}

TEST_CASE("a mask is seen without a restart, and so is its end", "[keepalive]") {
  const Root root;
  const SleepWatch watch(milliseconds(1), root.folder.path);
  CHECK_FALSE(watch.words().empty());
  const auto becomes = [&](bool may_sleep) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (watch.words().empty() == may_sleep && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return watch.words().empty() != may_sleep;
  };
  root.mask("sleep.target");
  CHECK(becomes(false));
  fs::remove(root.folder.path / "etc/systemd/system/sleep.target");
  CHECK(becomes(true));
}

}  // namespace pvcd::keepalive
