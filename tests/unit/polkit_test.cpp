// On a bus of its own, with a polkit of its own that answers as the test wants.
#include "runtime/polkit.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "private_bus.hpp"
#include "runtime/clock.hpp"

using namespace pvcd;
using runtime::Authorization;
using runtime::AuthorizationAnswer;

namespace {

constexpr Microseconds polkit_limit = seconds(20);
constexpr uid_t nobody = 65534;

// A process of an ordinary user on the bus.
class Stranger {
 public:
  Stranger() {
    int name_pipe[2];
    if (pipe(name_pipe) != 0) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      if (getuid() == 0 && setuid(nobody) != 0) _exit(1);
      const auto connection = runtime::connect_system_bus();
      const std::string unique = connection->getUniqueName();
      if (write(name_pipe[1], unique.data(), unique.size()) < 0) _exit(1);
      close(name_pipe[1]);
      for (;;) pause();
    }
    close(name_pipe[1]);
    char buffer[64];
    const ssize_t size = read(name_pipe[0], buffer, sizeof buffer);
    close(name_pipe[0]);
    if (size <= 0) throw std::runtime_error("the stranger did not get on the bus");
    name.assign(buffer, static_cast<std::size_t>(size));
  }
  ~Stranger() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  uid_t uid() const { return getuid() == 0 ? nobody : getuid(); }
  std::string name;

 private:
  pid_t pid_ = -1;
};

using Decision = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;
using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;

class FakePolkit {
 public:
  explicit FakePolkit(runtime::Loop& loop)
      : bus_(loop, runtime::connect_system_bus(), [](const std::string&) {}),
        object_(sdbus::createObject(bus_.connection(), "/org/freedesktop/PolicyKit1/Authority")) {
    object_->registerMethod("CheckAuthorization")
        .onInterface("org.freedesktop.PolicyKit1.Authority")
        .implementedAs([this](sdbus::Result<Decision>&& result, const Subject& subject, const std::string& action,
                              const std::map<std::string, std::string>& details, std::uint32_t flags,
                              const std::string&) {
          asked = std::get<0>(subject) + " " + std::get<1>(subject).at("name").get<std::string>() + " " + action + " " +
                  (details.contains("vm") ? details.at("vm") : "") + " " + std::to_string(flags);
          if (broken) return result.returnError(sdbus::Error("org.freedesktop.PolicyKit1.Error.Failed", "broken"));
          waiting.push_back(std::move(result));
          if (!slow) answer_all();
        });
    object_->finishRegistration();
    runtime::request_name(bus_.connection(), "org.freedesktop.PolicyKit1");
  }

  void answer_all() {
    for (const auto& result : std::exchange(waiting, {})) result.returnResults(Decision{allow, false, {}});
  }

  bool allow = false;
  bool broken = false;
  bool slow = false;  // until answer_all()
  std::string asked;
  std::vector<sdbus::Result<Decision>> waiting;

 private:
  runtime::Bus bus_;
  std::unique_ptr<sdbus::IObject> object_;
};

struct Bench {
  test::PrivateBus daemon;
  runtime::Loop loop;
  runtime::Bus bus{loop, runtime::connect_system_bus(), [](const std::string&) {}};
  runtime::Polkit polkit{bus};

  AuthorizationAnswer check(const std::string& sender, bool interactive = false) {
    std::optional<AuthorizationAnswer> got;
    polkit.check(sender, "org.pvcd1.vm-control", {{"vm", "web"}}, interactive,
                 [&](const AuthorizationAnswer& answer) { got = answer; });
    const Instant deadline = runtime::boottime_us() + polkit_limit;
    const runtime::Timer look = loop.every(milliseconds(10), [] {});
    while (!got && runtime::boottime_us() < deadline) loop.turn();
    REQUIRE(got);
    return *got;
  }
};

}  // namespace

TEST_CASE("polkit decides about an ordinary caller") {
  Bench bench;
  const Stranger stranger;
  FakePolkit polkit(bench.loop);

  AuthorizationAnswer answer = bench.check(stranger.name);
  CHECK(answer.authorization == Authorization::Denied);
  CHECK(answer.uid == stranger.uid());
  CHECK_THAT(answer.note, Catch::Contains("org.pvcd1.vm-control"));
  CHECK(polkit.asked == "system-bus-name " + stranger.name + " org.pvcd1.vm-control web 0");

  polkit.allow = true;
  CHECK(bench.check(stranger.name, true).authorization == Authorization::Allowed);
  CHECK_THAT(polkit.asked, Catch::EndsWith(" 1"));

  polkit.broken = true;
  answer = bench.check(stranger.name);
  CHECK(answer.authorization == Authorization::Unavailable);
  CHECK_THAT(answer.note, Catch::Contains("broken"));
}

TEST_CASE("a user may let so many requests wait for a password; what comes after them is answered again") {
  Bench bench;
  const Stranger stranger;
  FakePolkit polkit(bench.loop);
  polkit.allow = polkit.slow = true;
  std::vector<AuthorizationAnswer> answers;
  constexpr std::size_t too_many = 20, at_most = 16;
  for (std::size_t i = 0; i < too_many; ++i)
    bench.polkit.check(stranger.name, "org.pvcd1.vm-control", {}, true,
                       [&](const AuthorizationAnswer& answer) { answers.push_back(answer); });
  const Instant deadline = runtime::boottime_us() + polkit_limit;
  const runtime::Timer look = bench.loop.every(milliseconds(10), [] {});
  const auto until = [&](auto condition) {
    while (!condition() && runtime::boottime_us() < deadline) bench.loop.turn();
    REQUIRE(condition());
  };
  until([&] { return answers.size() + polkit.waiting.size() == too_many; });
  CHECK(polkit.waiting.size() == at_most);
  for (const AuthorizationAnswer& answer : answers) {
    CHECK(answer.authorization == Authorization::Denied);
    CHECK_THAT(answer.note, Catch::Contains("wait for polkit already"));
  }
  polkit.answer_all();
  until([&] { return answers.size() == too_many; });
  CHECK(answers.back().authorization == Authorization::Allowed);
  polkit.slow = false;
  CHECK(bench.check(stranger.name).authorization == Authorization::Allowed);
}

TEST_CASE("without polkit an ordinary caller is not allowed, root is") {
  Bench bench;
  const Stranger stranger;
  CHECK(bench.check(stranger.name).authorization == Authorization::Unavailable);
  if (getuid() == 0) {
    const AuthorizationAnswer answer = bench.check(bench.bus.connection().getUniqueName());
    CHECK(answer.authorization == Authorization::Allowed);
    CHECK(answer.uid == 0);
  }
}

TEST_CASE("a caller that has left the bus is denied") {
  Bench bench;
  FakePolkit polkit(bench.loop);
  polkit.allow = true;
  CHECK(bench.check(":1.9999").authorization == Authorization::Denied);
  CHECK(polkit.asked.empty());
}
