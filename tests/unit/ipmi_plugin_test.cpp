#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <random>
#include <thread>

#include "ipmi_case.hpp"
#include "plugins/ipmi/command.hpp"
#include "plugins/ipmi/guid.hpp"
#include "plugins/ipmi/power_text.hpp"
#include "plugins/ipmi/secret.hpp"
#include "plugins/ipmi/text.hpp"
#include "process_ended.hpp"

namespace pvcd::ipmi {

using namespace test;

TEST_CASE("ipmi: a power state is on or off only when the BMC said exactly so") {
  const auto [text, state] = GENERATE(table<std::string, PowerState>({
      {"Chassis Power is on\n", PowerState::On},
      {"Chassis Power is off\n", PowerState::Off},
      {"Chassis Power is OFF\r\n", PowerState::Off},
      {"CHASSIS POWER IS ON", PowerState::On},
      {"  chassis power is  off \t\r\n", PowerState::Off},
      {"Warning: something else\nChassis Power is off\n", PowerState::Off},
      {"", PowerState::Unknown},
      {"\r\n", PowerState::Unknown},
      {"Chassis Power is", PowerState::Unknown},
      {"Chassis Power is offline", PowerState::Unknown},
      {"Chassis Power is on fire", PowerState::Unknown},
      {"Chassis Power is unknown", PowerState::Unknown},
      {"Chassis Power is not off", PowerState::Unknown},
      {"off", PowerState::Unknown},
      {"Chassis-Strom ist aus\n", PowerState::Unknown},
      {"Chassis Power Control: Down/Off\n", PowerState::Unknown},
      {"Unable to get Chassis Power Status: Chassis Power is off", PowerState::Unknown},
      {std::string("Chassis Power is off\0on", 23), PowerState::Unknown},
  }));
  CAPTURE(text);
  CHECK(parse_power(text) == state);
}

TEST_CASE("ipmi: a GUID is read in any form of ipmitool's line, and only a real one") {
  const auto [text, guid] = GENERATE(table<std::string, std::string>({
      {"System GUID   : A123456789ABCDEFA123456789ABCDEF\n", uuid},
      {"System GUID   : a123456789abcdefa123456789abcdef\r\n", uuid},
      {"SYSTEM GUID:A1234567-89AB-CDEF-A123-456789ABCDEF", uuid},
      {"\r\n  System GUID  :  a1234567-89ab-cdef-a123-456789abcdef  \r\nGUID Encoding : IPMI\r\n", uuid},
      {"System GUID   : 00000000000000000000000000000000\n", ""},
      {"System GUID   : FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\n", ""},
      {"System GUID   : A123456789ABCDEFA123456789ABCDE\n", ""},
      {"System GUID   : A123456789ABCDEFA123456789ABCDEG\n", ""},
      {"System GUID   A123456789ABCDEFA123456789ABCDEF\n", ""},
      {"System GUID   :\n", ""},
      {"GUID Encoding : IPMI\n", ""},
      {"", ""},
  }));
  CAPTURE(text);
  CHECK(parse_guid(text).value_or("") == guid);
}

// Bytes are changed, cut out, doubled and put in, as a bad line or another release would.
std::string damaged(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  for (std::size_t i = below(4); i > 0 && !text.empty(); --i) {
    const std::size_t at = below(text.size()), length = 1 + below(8);
    switch (below(4)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      default:
        text.insert(at, 1, static_cast<char>(below(256)));
    }
  }
  return text;
}

TEST_CASE("ipmi: texts damaged at random say on, off or a GUID only where these words still stand") {
  std::mt19937 random(20261122);
  std::size_t understood = 0;
  for (int round = 0; round < 20000; ++round) {
    const bool off = round % 2 == 0;
    const std::string power = damaged(off ? "x\r\nChassis Power is off\n" : "Chassis Power is on\r\n", random);
    const PowerState state = parse_power(power);
    if (state != PowerState::Unknown) {
      ++understood;
      CAPTURE(power);
      CHECK(lower_case(power).find("chassis power is") != std::string::npos);
      CHECK(lower_case(power).find(state == PowerState::Off ? "off" : "on") != std::string::npos);
      CHECK(state == (off ? PowerState::Off : PowerState::On));
    }
    const std::string text =
        damaged("System GUID   : A123456789ABCDEFA123456789ABCDEF\r\nGUID Encoding : IPMI\n", random);
    if (const auto guid = parse_guid(text)) {
      ++understood;
      CAPTURE(text);
      CHECK(canonical_uuid(*guid) == guid);
    }
  }
  CHECK(understood > 10000);  // some are whole,
  CHECK(understood < 40000);  // some are not
}

TEST_CASE("ipmi: one UUID is recognised in its three byte orders, and no other one is") {
  CHECK(same_machine(uuid, uuid));
  CHECK(same_machine("674523a1-ab89-efcd-a123-456789abcdef", uuid));  // SMBIOS
  CHECK(same_machine("efcdab89-6745-23a1-efcd-ab89674523a1", uuid));  // IPMI
  CHECK_FALSE(same_machine(other_uuid, uuid));
  CHECK_FALSE(same_machine("a1234567-89ab-cdef-a123-456789abcdee", uuid));
  CHECK_FALSE(same_machine("674523a1-ab89-efcd-efcd-ab89674523a1", uuid));
  CHECK(canonical_uuid(" A1234567-89AB-CDEF-A123-456789ABCDEF\n") == uuid);
  CHECK_FALSE(canonical_uuid("").has_value());
}

TEST_CASE("ipmi: a note is one printable line of bounded length") {
  CHECK(one_line(" two\r\nlines\x1b[1m\n") == "two; lines[1m");
  CHECK(one_line(std::string(5000, 'x')).size() == 200);
}

TEST_CASE("ipmi: the child dies with the process that started it") {
  Folder folder;
  const pid_t parent = fork();
  if (parent == 0) {
    run({{"sh", "-c",
          "echo $$ > " + (folder.path / "new").string() + "; mv " + (folder.path / "new").string() + " " +
              (folder.path / "pid").string() + "; exec sleep 1000"},
         {},
         in(seconds(500))});
    _exit(0);
  }
  const Instant limit = in(seconds(30));
  while (!fs::exists(folder.path / "pid") && boottime_now() < limit) poll(nullptr, 0, 5);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  const pid_t child = std::stoi(folder.read("pid"));
  while (!pvcd::test::process_ended(child) && boottime_now() < limit) poll(nullptr, 0, 5);
  CHECK(pvcd::test::process_ended(child));
}

TEST_CASE("ipmi: a password file must be private, filled and short enough") {
  Folder folder;
  CHECK(Secret(folder.write("good", "s3cret\r\nsecond line\n")).text() == "s3cret");
  CHECK(Secret(folder.write("group", "s3cret", 0640)).text() == "s3cret");
  CHECK_THROWS_WITH(Secret(folder.write("open", "s3cret", 0604)), Catch::Contains("can be read by everybody"));
  CHECK_THROWS_WITH(Secret(folder.write("empty", "\n")), Catch::Contains("is empty"));
  CHECK_THROWS_WITH(Secret(folder.path.string()), Catch::Contains("is not a file"));
  CHECK_THROWS_WITH(Secret((folder.path / "none").string()), Catch::Contains("No such file"));
  CHECK_THROWS_WITH(Secret(folder.write("long", std::string(21, 'x'))),
                    Catch::Contains("longer than the 20 bytes") && !Catch::Contains("xxxx"));
}

TEST_CASE("ipmi: the password is in the environment of ipmitool and nowhere else") {
  FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'"));
  CHECK(tool.read().state == PowerState::Off);
  CHECK(tool.folder.read("arguments") ==
        "-I lanplus -C 3 -N 1 -R 1 -H 10.0.0.9 -p 6230 -U admin -E mc guid dump\n"
        "-I lanplus -C 3 -N 1 -R 1 -H 10.0.0.9 -p 6230 -U admin -E chassis power status\n");
  CHECK(tool.folder.read("environment").find("IPMITOOL_PASSWORD=s3cret\n") != std::string::npos);
  CHECK(std::getenv("IPMITOOL_PASSWORD") == nullptr);
  CHECK(tool.host.journal().find("s3cret") == std::string::npos);
}

TEST_CASE("ipmi: read tells the state only of the right machine") {
  SECTION("its GUID is the recorded one") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is on'"));
    const PowerReading reading = tool.read();
    CHECK(reading.state == PowerState::On);
    CHECK(reading.guid == uuid);
    CHECK(reading.note.empty());
  }
  SECTION("it is another machine's") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'"));
    const PowerReading reading = tool.read(other_uuid);
    CHECK(reading.state == PowerState::Unknown);
    CHECK(reading.guid == uuid);
    CHECK_THAT(reading.note, Catch::Contains(uuid) && Catch::Contains(other_uuid));
  }
  SECTION("it is the configured one of a pair") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'"));
    tool.host.values.bmcs["n1"].texts["guid"] = "A1234567-89AB-CDEF-A123-456789ABCDEF";
    const auto recorded = GENERATE("", "00000000-0000-0000-0000-000000000000", uuid, smbios_uuid);
    CHECK(tool.read(recorded).state == PowerState::Off);
  }
  SECTION("the configured one is not the one that the node recorded: it may be another node's BMC") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'"));
    tool.host.values.bmcs["n1"].texts["guid"] = uuid;
    const PowerReading reading = tool.read(other_uuid);
    CHECK(reading.state == PowerState::Unknown);
    CHECK_THAT(reading.note, Catch::Contains("[bmc.n1] guid") && Catch::Contains(uuid) && Catch::Contains(other_uuid));
    CHECK(tool.power(PowerAct::Off, seconds(60), other_uuid).outcome == Outcome::Refused);
    CHECK_FALSE(tool.sent());
  }
  SECTION("what it has to be is another one's too, in any order of the bytes") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'"));
    tool.host.values.bmcs["n2"] = tool.host.values.bmcs["n1"];
    tool.host.values.bmcs["n2"].texts["guid"] = GENERATE(uuid, smbios_uuid);
    const bool configured = GENERATE(true, false);
    if (configured) tool.host.values.bmcs["n1"].texts["guid"] = uuid;
    const PowerReading reading = tool.read(configured ? "" : uuid);
    CHECK(reading.state == PowerState::Unknown);
    CHECK_THAT(reading.note, Catch::Contains("[bmc.n2]"));
  }
  SECTION("the state is not understood") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is transitioning'"));
    const PowerReading reading = tool.read();
    CHECK(reading.state == PowerState::Unknown);
    CHECK_THAT(reading.note, Catch::Contains("Chassis Power is transitioning"));
  }
  SECTION("the state came with a failure") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power is off'; exit 1"));
    CHECK(tool.read().state == PowerState::Unknown);
  }
  SECTION("the BMC hangs after its GUID") {
    FakeTool tool(on_guid(good_guid, "exec sleep 1000"));
    tool.host.values.numbers["timeout_ms"] = 2000;
    const PowerReading reading = tool.read();
    CHECK(reading.state == PowerState::Unknown);
    CHECK_THAT(reading.note, Catch::Contains("was killed"));
  }
}

TEST_CASE("ipmi: a BMC that hangs delays no call about another one") {
  FakeTool tool("case \"$*\" in *10.0.0.66*) echo $$ > $D/pid; exec sleep 1000 ;; esac\n" +
                on_guid(good_guid, "echo 'Chassis Power is off'"));
  tool.host.values.bmcs["n2"] = tool.host.values.bmcs["n1"];
  tool.host.values.bmcs["n2"].texts["address"] = "10.0.0.66";
  tool.host.values.numbers["timeout_ms"] = 20000;
  tool.plugin.start(tool.host);
  std::optional<PowerReading> of_the_hung;
  std::thread hanging([&] { of_the_hung = tool.plugin.read({{}, "n2", "boot-1", other_uuid}); });
  while (tool.folder.read("pid").empty()) poll(nullptr, 0, 5);
  const int hung = std::stoi(tool.folder.read("pid"));
  CHECK(tool.read().state == PowerState::Off);
  CHECK(tool.power(PowerAct::Off).outcome == Outcome::Done);
  CHECK_FALSE(pvcd::test::process_ended(hung));
  kill(hung, SIGKILL);
  hanging.join();
  CHECK(of_the_hung->state == PowerState::Unknown);
}

TEST_CASE("ipmi: a BMC that two nodes have by mistake is spoken to about one of them at a time") {
  FakeTool tool("mkdir $D/busy || echo \"$*\" >> $D/met; sleep 0.05; rmdir $D/busy; " +
                on_guid(good_guid, "echo 'Chassis Power is off'"));
  tool.host.values.bmcs["n2"] = tool.host.values.bmcs["n1"];
  tool.plugin.start(tool.host);
  int read_there = 0;
  std::thread other([&] {
    for (int i = 0; i < 5; ++i) read_there += tool.plugin.read({{}, "n2", "boot-1", uuid}).state == PowerState::Off;
  });
  for (int i = 0; i < 5; ++i) CHECK(tool.read().state == PowerState::Off);
  other.join();
  CHECK(read_there == 5);
  CHECK(tool.folder.read("met").empty());
}

TEST_CASE("ipmi: an act is sent to the right machine, in time, or not at all") {
  SECTION("it is accepted") {
    FakeTool tool(on_guid(good_guid, "echo 'Chassis Power Control: Down/Off'"));
    const Answer answer = tool.power(PowerAct::Off);
    CHECK(answer.outcome == Outcome::Done);
    CHECK(tool.sent());
    CHECK_THAT(tool.host.journal(), Catch::Contains("power off of n1, meant for boot boot-1"));
  }
  SECTION("every act has its word") {
    const auto [act, words] = GENERATE(table<PowerAct, std::string>({{PowerAct::Off, "chassis power off\n"},
                                                                     {PowerAct::On, "chassis power on\n"},
                                                                     {PowerAct::Reset, "chassis power reset\n"}}));
    FakeTool tool(on_guid(good_guid, "true"));
    CHECK(tool.power(act).outcome == Outcome::Done);
    CHECK_THAT(tool.folder.read("arguments"), Catch::EndsWith(words));
  }
  SECTION("refused and not sent") {
    const auto [guid_reply, right, system_uuid, note] =
        GENERATE(table<std::string, Microseconds, std::string, std::string>({
            {good_guid, seconds(60), other_uuid, "belongs to another machine"},
            {good_guid, seconds(60), "", "recorded no system UUID"},
            {good_guid, seconds(60), "00000000-0000-0000-0000-000000000000", "recorded no system UUID"},
            {"echo 'System GUID : 00000000000000000000000000000000'", seconds(60), uuid, "no usable GUID"},
            {"echo 'cannot establish a session' >&2; exit 1", seconds(60), uuid, "cannot establish a session"},
            {"exec sleep 1000", milliseconds(500), uuid, "was killed"},
            {good_guid, 0, uuid, "nothing was sent"},
        }));
    FakeTool tool(on_guid(guid_reply, "true"));
    const Answer answer = tool.power(PowerAct::Off, right, system_uuid);
    CAPTURE(note, answer.note);
    CHECK(answer.outcome == Outcome::Refused);
    CHECK_THAT(answer.note, Catch::Contains(note));
    CHECK_FALSE(tool.sent());
  }
  SECTION("a failure after it was sent is Unknown") {
    FakeTool tool(on_guid(good_guid, "echo 'Set Chassis Power Control to Down/Off failed' >&2; exit 1"));
    const Answer answer = tool.power(PowerAct::Off);
    CHECK(answer.outcome == Outcome::Unknown);
    CHECK_THAT(answer.note, Catch::Contains("Down/Off failed"));
  }
  SECTION("it dies with the right to act") {
    FakeTool tool(on_guid(good_guid, "echo $$ > $D/pid; exec sleep 1000"));
    tool.host.values.numbers["timeout_ms"] = 60000;
    const Answer answer = tool.power(PowerAct::Off, seconds(3));
    CHECK(answer.outcome == Outcome::Unknown);
    CHECK(pvcd::test::process_ended(std::stoi(tool.folder.read("pid"))));
  }
  SECTION("a newer primary is heard of while the BMC tells whose it is") {
    FakeTool tool(on_guid(good_guid, "true"));
    tool.host.outdated = true;
    CHECK(tool.power(PowerAct::Off).outcome == Outcome::Refused);
    CHECK_FALSE(tool.sent());
  }
  SECTION("its victim is another node than the one that is to be switched") {
    FakeTool tool(on_guid(good_guid, "true"));
    const Answer answer = tool.plugin.power({{in(seconds(60)), 1}, "n1", {"n2", "boot-1", 1}, uuid, PowerAct::Off});
    CHECK(answer.outcome == Outcome::Refused);
    CHECK_THAT(answer.note, Catch::Contains("n2"));
    CHECK_FALSE(tool.sent());
  }
  SECTION("a node without a BMC") {
    FakeTool tool(on_guid(good_guid, "true"));
    const Answer answer = tool.plugin.power({{in(seconds(60)), 1}, "n2", {"n2", "boot", 1}, uuid, PowerAct::Off});
    CHECK(answer.outcome == Outcome::Refused);
    CHECK_THAT(answer.note, Catch::Contains("[bmc.n2]"));
  }
}

TEST_CASE("ipmi: the real ipmitool switches a simulated BMC, whose GUID says whose it is") {
  Simulator simulator("guid a123456789abcdefa123456789abcdef");
  const PowerReading reading = simulator.first_reading(uuid);
  CAPTURE(reading.note);
  REQUIRE(reading.state == PowerState::On);
  CHECK(reading.guid == uuid);

  CHECK(simulator.power(PowerAct::Off).outcome == Outcome::Done);
  CHECK(simulator.folder.read("power") == "0\n");
  CHECK(simulator.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::Off);
  CHECK(simulator.power(PowerAct::On).outcome == Outcome::Done);
  CHECK(simulator.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::On);
  CHECK(simulator.power(PowerAct::Reset).outcome == Outcome::Done);
  CHECK(simulator.folder.read("resets") == "reset\n");

  CHECK(simulator.plugin.read({{}, "n1", "boot-1", "674523a1-ab89-efcd-a123-456789abcdef"}).state == PowerState::On);
  CHECK(simulator.plugin.read({{}, "n1", "boot-1", other_uuid}).state == PowerState::Unknown);
  const Answer foreign =
      simulator.plugin.power({{in(seconds(60)), 1}, "n1", {"n1", "boot-1", 1}, other_uuid, PowerAct::Off});
  CHECK(foreign.outcome == Outcome::Refused);
  CHECK(simulator.folder.read("power") == "1\n");

  simulator.stop_answering();
  CHECK(simulator.plugin.read({{}, "n1", "boot-1", uuid}).state == PowerState::Unknown);
  CHECK(simulator.power(PowerAct::Off).outcome == Outcome::Refused);
}

TEST_CASE("ipmi: a real BMC without a GUID is never switched") {
  Simulator simulator("guid 00000000000000000000000000000000");
  const PowerReading reading = simulator.first_reading(uuid);
  CHECK(reading.state == PowerState::Unknown);
  CHECK_THAT(reading.note, Catch::Contains("no usable GUID"));
  CHECK(simulator.power(PowerAct::Off).outcome == Outcome::Refused);
  CHECK(simulator.folder.read("power") == "1");
}

}  // namespace pvcd::ipmi
