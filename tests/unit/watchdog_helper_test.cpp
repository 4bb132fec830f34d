// The helper without a device: what it says, and that it touches nothing too early. With one, which is simulated by a
// file that has ioctls: tests/cluster/test_watchdog.py.
#include "watchdog/helper.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "runtime/clock.hpp"
#include "tests/unit/fake_host.hpp"

using namespace pvcd;
using namespace pvcd::watchdog;

namespace {

constexpr Microseconds proof_limit = seconds(4);

struct WatchdogHelperCase {
  test::Folder folder;
  std::vector<std::string> logged;

  Helper helper(const std::string& device = "/dev/null") {
    return Helper({"boot-1", folder.path, device, seconds(10), proof_limit,
                   [this](const auto& text) { logged.push_back(text); }});
  }
  void write(const std::string& file, const std::string& text) const { std::ofstream(folder.path / file) << text; }
  void prove(const BootId& boot, Instant sent_at) const { write("proof", encode_proof({{"n1", boot, 1}, sent_at})); }
  std::optional<SelfFence> words() const {
    std::stringstream text;
    text << std::ifstream(folder.path / self_fence_file).rdbuf();
    return decode_self_fence(text.str(), "boot-1");
  }
};

}  // namespace

TEST_CASE("it opens no device before this boot has proven itself, nor with an old proof") {
  WatchdogHelperCase it;
  const Instant now = runtime::boottime_us();
  SECTION("no proof") {}
  SECTION("of another boot") { it.prove("boot-0", now); }
  SECTION("an old one") { it.prove("boot-1", now - proof_limit); }
  SECTION("one that is not yet") { it.prove("boot-1", now + seconds(5)); }
  it.helper("/dev/no-such-watchdog").tick(now);
  CHECK(it.logged.empty());
  REQUIRE(it.words());
  CHECK_FALSE(it.words()->armed);
  CHECK(it.words()->note == "this boot has not proven itself yet");
}

TEST_CASE("what is no watchdog is not taken for one, and the node says why") {
  WatchdogHelperCase it;
  const Instant now = runtime::boottime_us();
  it.prove("boot-1", now);
  const auto [device, why] = GENERATE(std::pair{"/dev/null", "/dev/null: it is no watchdog"},
                                      std::pair{"/dev/no-such", "/dev/no-such: No such file or directory"});
  Helper helper = it.helper(device);
  helper.tick(now);
  const Microseconds later = GENERATE(milliseconds(250), seconds(2));
  helper.tick(now + later);
  REQUIRE(it.words());
  CHECK_FALSE(it.words()->armed);
  CHECK_THAT(it.words()->note, Catch::StartsWith(why));
  CHECK(it.logged.size() == 1);  // once
}

TEST_CASE("a device that is missing is looked for again, once a second") {
  WatchdogHelperCase it;
  const Instant now = runtime::boottime_us();
  it.prove("boot-1", now);
  Helper helper = it.helper(it.folder.path / "device");
  helper.tick(now);
  CHECK(it.words()->note.ends_with("No such file or directory"));
  it.write("device", "");
  for (Microseconds passed = pet_interval; passed < seconds(1); passed += pet_interval) helper.tick(now + passed);
  CHECK(it.words()->note.ends_with("No such file or directory"));
  helper.tick(now + seconds(1));
  CHECK(it.words()->note.find("it is no watchdog") != std::string::npos);
}

TEST_CASE("a helper that comes back does not take back what it has said, whatever it finds") {
  WatchdogHelperCase it;
  const SelfFence armed{true, seconds(3), seconds(6), {}};
  it.write(self_fence_file, encode_self_fence("boot-1", armed));
  const Instant now = runtime::boottime_us();
  Helper helper = it.helper();
  helper.tick(now);
  it.prove("boot-1", now);
  helper.tick(now);
  CHECK(it.words() == armed);
  SECTION("nor when it ends without a permit") {
    helper.leave();
    CHECK(it.words() == armed);
  }
  SECTION("nor with one, when there is nothing that it could disarm") {
    it.write(disarm_file, encode_disarm("boot-1"));
    helper.leave();
    CHECK(it.words() == armed);
  }
}

TEST_CASE("whoever stands still beyond a deadline is killed before it goes on") {
  const bool in_time = GENERATE(true, false);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Deadline deadline;
    deadline.begin(runtime::boottime_us() + (in_time ? seconds(60) : 0));
    deadline.end();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) == !in_time);
}
