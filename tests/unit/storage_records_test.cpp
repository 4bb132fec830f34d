// Pages of OSDs in the store, and how old what was read is.
#include "core/storage_records.hpp"

#include <catch2/catch.hpp>

#include "store/codec.hpp"

using namespace pvcd;
using namespace pvcd::core;

namespace {

std::vector<OsdFacts> osds(std::uint32_t first, std::uint32_t last) {
  std::vector<OsdFacts> some;
  for (std::uint32_t id = first; id <= last; ++id) {
    OsdFacts osd;
    osd.id = id;
    some.push_back(osd);
  }
  return some;
}

std::size_t operations(const std::vector<std::vector<store::Operation>>& transactions) {
  std::size_t count = 0;
  for (const auto& each : transactions) count += each.size();
  return count;
}

// As the store would be after these writes.
StoredEntries applied(StoredEntries entries, const std::vector<std::vector<store::Operation>>& transactions) {
  const auto name_of = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  for (const auto& transaction : transactions)
    for (const auto& operation : transaction) {
      if (const auto* create = std::get_if<store::Create>(&operation))
        entries[name_of(create->path)].data = create->data;
      if (const auto* set = std::get_if<store::Set>(&operation)) {
        REQUIRE(entries.at(name_of(set->path)).version == set->version);
        entries[name_of(set->path)] = {set->data, set->version + 1};
      }
      if (const auto* remove = std::get_if<store::Remove>(&operation)) entries.erase(name_of(remove->path));
    }
  return entries;
}

constexpr std::optional<Microseconds> not_known;

FigureAge::Version version(std::uint64_t changed, std::optional<Microseconds> age = 0) { return {changed, age}; }

}  // namespace

TEST_CASE("64 OSDs by range of ids are a page; only what differs is written") {
  const StoredEntries first = applied({}, page_writes({}, osds(0, 129)));
  CHECK(first.size() == 3);
  CHECK(first.contains("osds-2"));
  CHECK(page_writes(first, osds(0, 129)).empty());
  auto changed = osds(0, 129);
  changed[64].pgs = 7;
  const auto writes = page_writes(first, changed);
  REQUIRE(operations(writes) == 1);
  CHECK(std::get<store::Set>(writes[0][0]).path == "/storage/osds-1");
}

TEST_CASE("a page without an OSD is removed; what is none of ours is left alone") {
  StoredEntries there = applied({}, page_writes({}, osds(0, 129)));
  there["summary"].data = "{}";
  there["osds-02"].data = "{}";
  there["osds-x"].data = "{}";
  const StoredEntries after = applied(there, page_writes(there, osds(64, 64)));
  CHECK(after.size() == 4);
  CHECK(
      (after.contains("osds-1") && after.contains("summary") && after.contains("osds-02") && after.contains("osds-x")));
  CHECK(operations(page_writes({}, {})) == 0);
}

TEST_CASE("thousands of OSDs fit into transactions that the store takes") {
  auto many = osds(0, 4095);
  for (OsdFacts& osd : many) osd.uuid = std::string(300, 'u');
  const auto transactions = page_writes({}, many);
  CHECK(transactions.size() > 1);
  CHECK(operations(transactions) == 64);
  for (const auto& transaction : transactions) {
    std::size_t bytes = 0;
    for (const auto& operation : transaction) bytes += std::get<store::Create>(operation).data.size();
    CHECK(bytes <= page_bytes_at_once);
  }
}

TEST_CASE("a page has the OSDs of its range, each once") {
  const auto fault = [](const std::vector<OsdFacts>& some, const std::string& name) {
    return fault_of(OsdPageRecord{some}, name);
  };
  CHECK(fault(osds(64, 127), "osds-1").empty());
  CHECK(fault(osds(63, 64), "osds-1") == "OSD 63 belongs to another page");
  auto twice = osds(3, 3);
  twice.push_back(twice[0]);
  CHECK(fault(twice, "osds-0") == "its OSDs are not in the order of their ids");
  CHECK(page_number("osds-7") == 7U);
  for (const char* name : {"osds-", "osds-07", "osds--1", "osds-1 ", "osds-99999999999", "summary"})
    CHECK(page_number(name) == std::nullopt);
}

TEST_CASE("what is there when one begins to look is of unknown age until it changes") {
  FigureAge age;
  age.look(version(5), seconds(100));
  CHECK(age.at(seconds(101)) == not_known);
  age.look(version(5), seconds(109));
  CHECK(age.at(seconds(109)) == not_known);
  age.look(version(6, milliseconds(20)), seconds(110));
  CHECK(age.at(seconds(111)) == seconds(2) + milliseconds(20));  // written after the look at 109
  age.look(version(6, milliseconds(20)), seconds(120));
  CHECK(age.at(seconds(120)) == seconds(11) + milliseconds(20));
}

TEST_CASE("what appears while one looks is as young as it is") {
  FigureAge age;
  age.look(std::nullopt, seconds(100));
  CHECK(age.at(seconds(100)) == not_known);
  age.look(version(1), seconds(101));
  CHECK(age.at(seconds(101)) == seconds(1));
}

TEST_CASE("who did not look for a while does not take what it finds for young") {
  FigureAge age;
  age.look(version(5), seconds(100));
  age.look(version(6), seconds(101));
  age.look(version(7), seconds(4000));  // it was frozen, or the store could not be reached
  CHECK(age.at(seconds(4000)) == seconds(3899));
}

TEST_CASE("figures whose age the primary does not know are of unknown age") {
  FigureAge age;
  age.look(version(5), seconds(100));
  age.look(version(6, std::nullopt), seconds(101));
  CHECK(age.at(seconds(101)) == not_known);
}
