#include <poll.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <string>

#include "ipmi_case.hpp"
#include "plugins/ipmi/mark.hpp"
#include "plugins/ipmi/marker.hpp"
#include "process_ended.hpp"

namespace pvcd::ipmi {

using namespace test;

namespace {

constexpr const char* boot = "c1234567-89ab-4def-a123-456789abcdef";
constexpr const char* older_boot = "d1234567-89ab-4def-a123-456789abcdef";

// As ipmitool prints it: sixteen bytes in a line.
std::string printed(const std::string& uuid, const std::string& before = " 11 01") {
  std::string digits = uuid, text = before;
  std::erase(digits, '-');
  for (std::size_t at = 0; at < digits.size(); at += 2) text += (at == 28 ? "\n " : " ") + digits.substr(at, 2);
  return text + "\n";
}

const std::string nothing = printed("00000000-0000-0000-0000-000000000000", " 11 00");

void wait_for(const std::function<bool()>& condition) {
  const Instant limit = in(seconds(30));
  while (!condition() && boottime_now() < limit) poll(nullptr, 0, 5);
  CHECK(condition());
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// Its BMC keeps what is written in the file "mark"; with a file "broken" or "forgetful" it does not.
struct MarkTool : FakeTool {
  explicit MarkTool(const std::string& first = "", const std::string& mark = nothing)
      : FakeTool(first +
                 "case \"$*\" in\n"
                 "*'raw 0x04 0x13 0x0a 0x00 0x00') cat $D/mark ;;\n"
                 "'-I open raw 0x04 0x12 0x0a 0x01 '*)\n"
                 "  [ ! -e $D/broken ] || { echo 'Could not open device at /dev/ipmi0' >&2; exit 1; }\n"
                 "  [ ! -e $D/forgetful ] || exit 0\n"
                 "  shift 7; echo \" 11 01 $(echo $* | sed s/0x//g)\" >$D/new; mv $D/new $D/mark ;;\n"
                 "*'chassis power status') echo 'Chassis Power is off' ;;\n"
                 "*) true ;;\nesac\n") {
    host.values.bmcs["n1"].texts["identity"] = "mark";
    set(mark);
  }
  void set(const std::string& mark) const {
    folder.write("new-mark", mark);
    fs::rename(folder.path / "new-mark", folder.path / "mark");
  }
  bool is_marked(const std::string& uuid) const { return parse_mark(folder.read("mark")) == uuid; }
  std::size_t reads() const { return count(folder.read("arguments"), "raw 0x04 0x13"); }
  std::size_t writes() const { return count(folder.read("arguments"), "raw 0x04 0x12"); }

  PowerReading read_of(const BootId& expected) { return plugin.read({{}, "n1", expected, ""}); }
  Answer off(const BootId& victim) {
    return plugin.power({{in(seconds(60)), 1}, "n1", {"n1", victim, 1}, "", PowerAct::Off});
  }
};

constexpr MarkerTimes quick{seconds(20), milliseconds(20), milliseconds(20)};

}  // namespace

TEST_CASE("ipmi: a mark is sixteen bytes that are in use, in the order in which they were written") {
  const auto [text, mark] = GENERATE(table<std::string, std::string>({
      {printed(boot), boot},
      {" 11 01 C1 23 45 67 89 AB 4D EF A1 23 45 67 89 AB\r\n CD EF\r\n", boot},
      {nothing, ""},
      {printed(boot, " 11 00"), ""},
      {printed("00000000-0000-0000-0000-000000000000"), ""},
      {printed("ffffffff-ffff-ffff-ffff-ffffffffffff"), ""},
      {printed(boot, " 11"), ""},
      {printed(boot, " 11 01 00"), ""},
      {printed("g1234567-89ab-4def-a123-456789abcdef"), ""},
      {"", ""},
      {"\n", ""},
      {"Unable to send RAW command", ""},
  }));
  CAPTURE(text);
  CHECK(parse_mark(text).value_or("") == mark);
}

TEST_CASE("ipmi: a BMC is recognised by its mark: that of the boot which the request is about, and nothing else") {
  struct Row {
    std::string mark;
    std::string boot;
    std::string note;
  };
  const std::string reversed = "efcdab89-6745-23a1-ef4d-ab89674523c1";
  const Row row =
      GENERATE_REF(Row{printed(older_boot), boot,
                       "carries the mark of boot " + std::string(older_boot) + ", not of n1's boot " + boot},
                   Row{printed(reversed), boot, "carries the mark of boot " + reversed},
                   Row{nothing, boot, "carries no mark"}, Row{"garbage\n", boot, "carries no mark: \"garbage\""},
                   Row{printed(boot), "", "no boot id"}, Row{printed(boot), "boot-1", "no boot id"});
  MarkTool tool("", row.mark);
  CAPTURE(row.mark, row.boot);
  const PowerReading reading = tool.read_of(row.boot);
  CHECK(reading.state == PowerState::Unknown);
  CHECK_THAT(reading.note, Catch::Contains(row.note));
  const Answer answer = tool.off(row.boot);
  CHECK(answer.outcome == Outcome::Refused);
  CHECK_THAT(answer.note, Catch::Contains(row.note));
  CHECK_FALSE(tool.sent());
}

TEST_CASE("ipmi: with the right mark it needs neither a GUID nor a system UUID, and what cannot be read is no mark") {
  MarkTool tool("", printed(boot));
  CHECK(tool.read_of(boot).state == PowerState::Off);
  CHECK(tool.read_of(boot).guid.empty());
  CHECK(tool.off(boot).outcome == Outcome::Done);
  CHECK(tool.sent());
  CHECK(tool.folder.read("arguments").find("guid") == std::string::npos);
  fs::remove(tool.folder.path / "mark");
  CHECK_THAT(tool.read_of(boot).note, Catch::Contains("its mark cannot be read"));
}

TEST_CASE("ipmi: a host marks its BMC where it has no mark or another's, and leaves its own alone") {
  SECTION("none") {
    MarkTool tool;
    const Marker marker(tool.host, boot, quick);
    wait_for([&] { return tool.is_marked(boot); });
    wait_for([&] { return tool.host.journal().find(boot) != std::string::npos; });
    CHECK(tool.folder.read("arguments")
              .find("-I open raw 0x04 0x12 0x0a 0x01 0xc1 0x23 0x45 0x67 0x89 0xab 0x4d 0xef "
                    "0xa1 0x23 0x45 0x67 0x89 0xab 0xcd 0xef\n") != std::string::npos);
    CHECK(tool.folder.read("environment").find("IPMITOOL_PASSWORD") == std::string::npos);
  }
  SECTION("that of an older boot") {
    MarkTool tool("", printed(older_boot));
    const Marker marker(tool.host, boot, quick);
    wait_for([&] { return tool.is_marked(boot); });
    wait_for([&] { return tool.host.journal().find(older_boot) != std::string::npos; });
  }
  SECTION("its own") {
    MarkTool tool("", printed(boot));
    const Marker marker(tool.host, boot, quick);
    wait_for([&] { return tool.reads() >= 3; });
    CHECK(tool.writes() == 0);
    CHECK(tool.host.journal().empty());
  }
  SECTION("its own, which is lost") {
    MarkTool tool("", printed(boot));
    const Marker marker(tool.host, boot, quick);
    wait_for([&] { return tool.reads() >= 1; });
    tool.set(nothing);
    wait_for([&] { return tool.is_marked(boot); });
  }
}

TEST_CASE("ipmi: a BMC that cannot be marked is tried again, and warned of once for each kind of failure") {
  MarkTool tool;
  tool.folder.write("broken", "");
  const Marker marker(tool.host, boot, quick);
  wait_for([&] { return tool.writes() >= 3; });
  tool.folder.write("forgetful", "");
  fs::remove(tool.folder.path / "broken");
  const std::size_t writes = tool.writes();
  wait_for([&] { return tool.writes() >= writes + 4; });
  const std::string journal = tool.host.journal();
  CHECK(count(journal, "\n") == 2);
  CHECK(count(journal, "modprobe -a ipmi_devintf ipmi_si") == 1);
  CHECK(count(journal, "Could not open device at /dev/ipmi0") == 1);
  CHECK(count(journal, "does not keep its mark") == 1);
  fs::remove(tool.folder.path / "forgetful");
  wait_for([&] { return tool.is_marked(boot); });
  wait_for([&] { return tool.host.journal().find("carries the mark") != std::string::npos; });
}

TEST_CASE("ipmi: an ipmitool that hangs is killed after its time, and at once when the plugin stops") {
  MarkTool tool("echo $$ >>$D/pids; [ ! -e $D/hang ] || exec sleep 1000\n");
  tool.folder.write("hang", "");
  const bool limited = GENERATE(true, false);
  std::size_t first = 0;
  {
    const Marker marker(tool.host, boot, {limited ? milliseconds(500) : seconds(1000), seconds(60), milliseconds(20)});
    wait_for([&] { return count(tool.folder.read("pids"), "\n") >= 1; });
    first = std::stoul(tool.folder.read("pids"));
    if (limited) {
      fs::remove(tool.folder.path / "hang");
      wait_for([&] { return tool.is_marked(boot); });
    }
  }
  CHECK(pvcd::test::process_ended(static_cast<pid_t>(first)));
  CHECK(tool.host.journal().find("given up") == std::string::npos);
}

TEST_CASE("ipmi: the plugin marks the BMC of its own node alone, and only where it is recognised by its mark") {
  std::string this_boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> this_boot;
  SECTION("its own") {
    MarkTool tool;
    tool.host.values.texts["node.name"] = "n1";
    tool.plugin.start(tool.host);
    wait_for([&] { return tool.is_marked(this_boot); });
    CHECK(tool.read_of(this_boot).state == PowerState::Off);
    tool.plugin.stop();
  }
  SECTION("another's, or by its GUID") {
    MarkTool tool;
    const bool other = GENERATE(true, false);
    tool.host.values.texts["node.name"] = other ? "n2" : "n1";
    if (!other) tool.host.values.bmcs["n1"].texts["identity"] = "guid";
    tool.plugin.start(tool.host);
    tool.plugin.read({{}, "n1", this_boot, boot});  // over the LAN: meanwhile it would have been looked for in-band
    tool.plugin.stop();
    CHECK(count(tool.folder.read("arguments"), "-I lanplus") >= 1);
    CHECK(count(tool.folder.read("arguments"), "-I open") == 0);
  }
}

TEST_CASE("ipmi: the real ipmitool marks a simulated BMC without a GUID, and recognises it by that alone") {
  Simulator simulator("guid 00000000000000000000000000000000");
  simulator.host.values.bmcs["n1"].texts["identity"] = "mark";
  CHECK_THAT(simulator.first_reading("", boot).note, Catch::Contains("carries no mark"));
  CHECK(simulator.bmc().write_mark(older_boot, in(seconds(20))).empty());
  CHECK_THAT(simulator.first_reading("", boot).note, Catch::Contains(older_boot) && Catch::Contains(boot));
  CHECK(simulator.bmc().write_mark(boot, in(seconds(20))).empty());
  CHECK(simulator.first_reading("", boot).state == PowerState::On);
  CHECK(simulator.power(PowerAct::Off, older_boot).outcome == Outcome::Refused);
  CHECK(simulator.folder.read("power") == "1");
  CHECK(simulator.power(PowerAct::Off, boot).outcome == Outcome::Done);
  CHECK(simulator.folder.read("power") == "0\n");
  CHECK(simulator.first_reading("", boot).state == PowerState::Off);
}

}  // namespace pvcd::ipmi
