#include "runtime/journal.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace pvcd;
using namespace std::string_literals;

TEST_CASE("an entry is lines of NAME=value") {
  const std::string datagram = runtime::journal_datagram(Level::Warning, "abc", "text", {{"PVCD_VM", "u"}});
  CHECK_THAT(datagram, Catch::StartsWith("MESSAGE=text\nPRIORITY=4\nSYSLOG_IDENTIFIER="));
  CHECK_THAT(datagram, Catch::EndsWith("\nMESSAGE_ID=abc\nPVCD_VM=u\n"));
}

TEST_CASE("a value of several lines cannot forge a field") {
  const std::string datagram = runtime::journal_datagram(Level::Info, nullptr, "one\nPRIORITY=0", {});
  CHECK_THAT(datagram, Catch::StartsWith("MESSAGE\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\nPRIORITY=6\n"s));
}
