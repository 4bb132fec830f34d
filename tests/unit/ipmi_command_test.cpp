#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "plugins/ipmi/command.hpp"
#include "process_ended.hpp"
#include "sdk/permit.hpp"

namespace pvcd::ipmi {
namespace {

Instant after(Microseconds delay) { return boottime_now() + delay; }

}  // namespace

TEST_CASE("ipmi: a command's output, status and ending are told apart") {
  const CommandResult good = run({{"sh", "-c", "echo out; echo err >&2; exit 3"}, {}, after(seconds(20))});
  CHECK(good.ending == Ending::Exited);
  CHECK(good.exit_status == 3);
  CHECK(good.output == "out\n");
  CHECK(good.errors == "err\n");
  CHECK(good.note.empty());

  const CommandResult killed = run({{"sh", "-c", "kill -TERM $$"}, {}, after(seconds(20))});
  CHECK(killed.ending == Ending::Killed);
  CHECK(killed.note == "it was killed by signal 15");

  const CommandResult missing = run({{"no-such-program-of-pvcd"}, {}, after(seconds(20))});
  CHECK(missing.ending == Ending::NotStarted);
  CHECK(missing.note == "no-such-program-of-pvcd is not installed");
}

TEST_CASE("ipmi: a command speaks no language but C and gets no variable that it was not given") {
  setenv("LC_MESSAGES", "de_DE.UTF-8", 1);
  const CommandResult result = run({{"env"}, {{"WORD", "value"}}, after(seconds(20))});
  unsetenv("LC_MESSAGES");
  CHECK(result.output == "PATH=" + std::string(std::getenv("PATH")) + "\nLANG=C\nLC_ALL=C\nWORD=value\n");
}

TEST_CASE("ipmi: a command that hangs is killed at its deadline, and is gone when run() returns") {
  const Instant before = boottime_now();
  const CommandResult result = run({{"sh", "-c", "echo $$; exec sleep 1000"}, {}, before + milliseconds(300)});
  CHECK(result.ending == Ending::Killed);
  CHECK(result.note == "it did not end within its time and was killed");
  CHECK(boottime_now() >= before + milliseconds(300));
  CHECK(boottime_now() < before + seconds(20));
  CHECK(test::process_ended(std::stoi(result.output)));
}

TEST_CASE("ipmi: a command is killed when it is given up, before its deadline") {
  int given_up[2];
  REQUIRE(pipe(given_up) == 0);
  REQUIRE(write(given_up[1], "x", 1) == 1);
  const CommandResult result = run({{"sh", "-c", "exec sleep 1000"}, {}, after(seconds(500)), given_up[0]});
  CHECK(result.ending == Ending::Killed);
  CHECK(result.note == "it was given up and killed");
  const CommandResult other = run({{"true"}, {}, after(seconds(20))});
  CHECK(other.ending == Ending::Exited);
  close(given_up[0]);
  close(given_up[1]);
}

TEST_CASE("ipmi: a command that prints without end is killed, and no more than the bound is kept") {
  const CommandResult result = run({{"yes"}, {}, after(seconds(60))});
  CHECK(result.ending == Ending::Killed);
  CHECK(result.note == "it printed without end and was killed");
  CHECK(result.output.size() == output_bytes_max);
}

TEST_CASE("ipmi: a grandchild that keeps the output open holds nobody up") {
  const Instant before = boottime_now();
  const CommandResult result = run({{"sh", "-c", "sleep 1000 & echo $!"}, {}, before + seconds(60)});
  CHECK(result.ending == Ending::Exited);
  CHECK(boottime_now() < before + seconds(30));
  kill(std::stoi(result.output), SIGKILL);
}

}  // namespace pvcd::ipmi
