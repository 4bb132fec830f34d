// The storage cluster as the bus shows it.
#include "core/objects/storage_derive.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace pvcd;
using namespace pvcd::core;

namespace {

OsdFacts osd(std::uint32_t id, std::optional<bool> up, std::optional<bool> in) {
  OsdFacts facts;
  facts.id = id;
  facts.up = up;
  facts.in = in;
  return facts;
}

}  // namespace

TEST_CASE("OSDs are counted by what is known of them") {
  StorageFigures figures;
  figures.osds = {{0, osd(0, true, true)}, {1, osd(1, false, true)}, {7, osd(7, {}, {})}};
  const StorageProperties shown = derive_storage(figures);
  CHECK(shown.osds == 3);
  CHECK(shown.osds_up == 1);
  CHECK(shown.osds_in == 2);
}

TEST_CASE("the note says what is missing, and the first entries that cannot be used") {
  StorageFigures figures;
  CHECK(derive_storage(figures).note == "nobody has asked Ceph yet");
  figures.summary = StorageRecord{};
  CHECK(derive_storage(figures).note == "");
  for (const char* name : {"a", "b", "c", "d"}) figures.broken[name] = "wrong";
  figures.summary->note = "away";
  CHECK(derive_storage(figures).note == "away; store entry a: wrong; store entry b: wrong; store entry c: wrong");
}

TEST_CASE("what is not known is no number of its type") {
  CHECK(std::isnan(shown(std::optional<double>())));
  CHECK(shown(std::optional<std::uint32_t>()) == 4294967295U);
  CHECK(shown(std::optional<std::uint64_t>()) == 18446744073709551615U);
  CHECK(shown(std::optional<std::uint32_t>(0)) == 0);
}

TEST_CASE("only what changed is told of an OSD") {
  OsdFacts after = osd(1, true, true);
  after.used_bytes = 5;
  CHECK(changed(osd(1, true, true), after) == std::vector<std::string>{"UsedBytes"});
  CHECK(changed(after, after).empty());
}
