// What becomes of Ceph's answers: recorded ones of several releases, and such as nobody should get.
#include "plugins/ceph-osd/survey.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "runtime/wire.hpp"

using namespace pvcd;
using namespace pvcd::ceph_osd;

namespace {

namespace fs = std::filesystem;

const fs::path samples = fs::path(PVCD_SOURCE_DIRECTORY) / "tests/unit/ceph_samples";

std::string content(const fs::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// The files of a folder are named after their commands, with "-" for " ".
Replies recorded(const std::string& folder) {
  Replies replies;
  for (const fs::directory_entry& entry : fs::directory_iterator(samples / folder)) {
    std::string command = entry.path().stem().string();
    std::replace(command.begin(), command.end(), '-', ' ');
    replies[command] = {true, content(entry.path())};
  }
  return replies;
}

StorageSurvey survey(const Replies& replies) {
  PgRates rates;
  return survey_of(replies, rates, seconds(1000));
}

StorageSurvey with(const std::string& command, const std::string& answer) {
  Replies replies = recorded("16.2.15-busy");
  replies[command] = {true, answer};
  return survey(replies);
}

const char* const unknown_form = "the answer is JSON of an unknown form";

}  // namespace

TEST_CASE("recorded: 16.2.15, busy") {
  const StorageSurvey seen = survey(recorded("16.2.15-busy"));
  CHECK(seen.outcome == Outcome::Done);
  CHECK(seen.note == "");
  CHECK(seen.health.status == "HEALTH_OK");
  CHECK(seen.health.checks.empty());
  REQUIRE(seen.osds.size() == 3);
  const OsdFacts& osd = seen.osds[1];
  CHECK(osd.id == 1);
  CHECK(osd.uuid == "97f55269-ca13-4d37-a225-599fe116dd73");
  CHECK(osd.node == "vm");
  CHECK(osd.device_class == "hdd");
  CHECK(osd.state == "exists,up");
  CHECK(osd.up == true);
  CHECK(osd.in == true);
  CHECK(osd.primary_affinity == 1);
  CHECK(osd.reweight == 1);
  CHECK(osd.crush_weight == Approx(0.003890991));
  CHECK(osd.utilization == Approx(0.0078217983));
  CHECK(osd.pgs == 5);
  CHECK(osd.size_bytes == 4194304 * 1024ULL);
  CHECK(osd.commit_latency == 0);
  CHECK(osd.read_ops == std::nullopt);  // a table is not read, and the counters have nothing to be compared with yet
  REQUIRE(seen.pools.size() == 2);
  CHECK(seen.pools[0].name == "vms");
  CHECK(seen.pools[0].stored_bytes == 67108937);
  CHECK(seen.pools[0].write_ops == 1441);
  CHECK(seen.pools[0].write_bytes == 5903279);
  CHECK(seen.pools[0].read_bytes == 170);
  CHECK(seen.pools[1].write_ops == 0);
}

TEST_CASE("recorded: 16.2.15, an OSD is down") {
  const StorageSurvey seen = survey(recorded("16.2.15-osd-down"));
  REQUIRE(seen.osds.size() == 3);
  CHECK(seen.osds[2].up == false);
  CHECK(seen.osds[2].in == true);
  CHECK(seen.osds[2].state == "exists");
  CHECK(seen.health.status == "HEALTH_WARN");
  CHECK(seen.health.checks == std::vector<HealthCheck>{{"OSD_DOWN", "HEALTH_WARN", "1 osds down"}});
}

TEST_CASE("recorded: 16.2.15, no OSDs, and a manager that knows nothing yet") {
  const StorageSurvey seen = survey(recorded("16.2.15-no-osds"));
  CHECK(seen.outcome == Outcome::Done);
  CHECK(seen.osds.empty());
  REQUIRE(seen.pools.size() == 2);
  CHECK(seen.pools[0].stored_bytes == std::nullopt);
  CHECK_THAT(seen.note, Catch::StartsWith("df: not used, because the manager does not know"));
}

TEST_CASE("recorded: Luminous has no osd tree here, and older forms") {
  const StorageSurvey seen = survey(recorded("luminous"));
  CHECK(seen.outcome == Outcome::Done);
  REQUIRE(seen.osds.size() == 1);
  CHECK(seen.osds[0].uuid == "44559c14-fb71-4183-9e44-167e0e9c057a");
  CHECK(seen.osds[0].utilization == Approx(0.00729283));
  CHECK(seen.osds[0].device_class == "hdd");
  CHECK(seen.osds[0].node == "");
  CHECK(seen.osds[0].apply_latency == 0);
  CHECK(seen.osds[0].pgs == 102);
  CHECK(seen.health.checks.size() == 3);
  REQUIRE(seen.pools.size() == 3);
  CHECK(seen.pools[0].objects == 14);
  CHECK(seen.pools[0].used_fraction == std::nullopt);
  CHECK(seen.note == "osd tree, osd pool stats, osd status: not asked");
}

TEST_CASE("recorded: Nautilus, monitors only") {
  const StorageSurvey seen = survey(recorded("nautilus-14.0.0-dev"));
  REQUIRE(seen.osds.size() == 3);
  CHECK(seen.osds[2].uuid == "178b1a4e-1f8d-454e-b2b4-9fccc25e047e");
  CHECK(seen.osds[2].up == true);
  CHECK(seen.osds[2].utilization == std::nullopt);
  REQUIRE(seen.health.checks.size() == 1);
  CHECK(seen.health.checks[0].sentence == "Reduced data availability: 16 pgs peering");
  CHECK(seen.pools[1].name == "cephfs_metadata_a");
}

TEST_CASE("recorded: osd df alone makes a list") {
  const StorageSurvey seen = survey(recorded("2024-four-nvme"));
  CHECK(seen.outcome == Outcome::Done);
  REQUIRE(seen.osds.size() == 4);
  CHECK(seen.osds[0].utilization == Approx(0.3398565));
  CHECK(seen.osds[0].variance == Approx(1.2058398));
  CHECK(seen.osds[0].used_bytes == 2549415696 * 1024ULL);
  CHECK(seen.osds[3].pgs == 24);
  CHECK(seen.osds[0].up == std::nullopt);
  CHECK(seen.osds[0].state == "");
}

TEST_CASE("osd status in JSON tells the rates of OSDs; it needs no groups") {
  Replies replies = recorded("16.2.15-busy");
  replies.erase("pg ls");
  replies["osd status"] = {true, R"({"OSDs": [{"host name": "a", "id": 2, "kb available": 1, "kb used": 2,
      "read byte rate": 4096.5, "read ops rate": 3, "state": ["exists", "up"], "write byte rate": 0,
      "write ops rate": 7}, {"id": 77, "read ops rate": 1}]})"};
  CHECK(tells_rates(replies));
  const StorageSurvey seen = survey(replies);
  CHECK(seen.note == "");
  CHECK(seen.osds.size() == 3);  // it lists nobody
  CHECK(seen.osds[2].read_ops == 3);
  CHECK(seen.osds[2].write_ops == 7);
  CHECK(seen.osds[2].read_bytes == 4097);
  CHECK(seen.osds[0].read_ops == std::nullopt);
}

TEST_CASE("two answers of pg ls tell the rates of OSDs, each group's for its primary") {
  const auto groups = [](std::uint64_t writes, int primary) {
    return R"({"pg_stats": [{"pgid": "1.0", "acting_primary": )" + std::to_string(primary) +
           R"(, "stat_sum": {"num_read": 5, "num_read_kb": 10, "num_write": )" + std::to_string(writes) +
           R"(, "num_write_kb": )" + std::to_string(4 * writes) + "}}]}";
  };
  Replies replies = recorded("16.2.15-busy");
  PgRates rates;
  replies["pg ls"].text = groups(100, 0);
  CHECK(survey_of(replies, rates, seconds(10)).osds[0].write_ops == std::nullopt);
  replies["pg ls"].text = groups(150, 1);
  StorageSurvey seen = survey_of(replies, rates, seconds(20));
  CHECK(seen.osds[1].write_ops == 5);
  CHECK(seen.osds[1].write_bytes == 4 * 50 * 1024 / 10);
  CHECK(seen.osds[1].read_ops == 0);
  CHECK(seen.osds[0].write_ops == 0);  // primary of none
  replies["pg ls"].text = groups(10, 1);
  CHECK(survey_of(replies, rates, seconds(30)).osds[1].write_ops == 0);  // begun anew
  replies["pg ls"].text = groups(1000, 1);
  CHECK(survey_of(replies, rates, seconds(30) + PgRates::window_max + 1).osds[1].write_ops == std::nullopt);
}

TEST_CASE("one command that fails does not cost the others, and is named with those that failed likewise") {
  Replies replies = recorded("16.2.15-busy");
  replies["osd tree"] = {false, "no answer from Ceph in time"};
  replies["health"] = {false, "no answer from Ceph in time"};
  const StorageSurvey seen = survey(replies);
  CHECK(seen.outcome == Outcome::Done);
  CHECK(seen.note == "osd tree, health: no answer from Ceph in time");
  CHECK(seen.osds.size() == 3);
  CHECK(seen.osds[0].node == "");
  CHECK(seen.osds[0].device_class == "hdd");  // osd df knows it, too
  CHECK(seen.health.status == "");
}

TEST_CASE("without a manager the monitors' figures of pools are not believed") {
  Replies replies = recorded("16.2.15-busy");
  for (const std::string& command : manager_commands) replies[command] = {false, "away"};
  const StorageSurvey seen = survey(replies);
  CHECK(seen.osds.size() == 3);
  CHECK(seen.osds[0].utilization == std::nullopt);
  CHECK(seen.pools[0].stored_bytes == std::nullopt);
  CHECK_THAT(seen.note, Catch::Contains("osd df, osd perf, osd pool stats, osd status: away") &&
                            Catch::Contains("df: not used, because no command to the manager was answered"));
}

TEST_CASE("without any list of OSDs the survey is Unknown, and says why") {
  Replies replies = recorded("16.2.15-busy");
  for (const char* command : {"osd dump", "osd tree", "osd df"}) replies[command] = {false, "refused"};
  const StorageSurvey seen = survey(replies);
  CHECK(seen.outcome == Outcome::Unknown);
  CHECK(seen.note == "osd dump, osd tree, osd df: refused");
  CHECK(seen.osds.empty());
  CHECK(seen.pools.empty());
}

TEST_CASE("nan and inf, which Ceph writes where it divided by zero, are not known") {
  const StorageSurvey seen = with("osd df", R"({"nodes": [{"id": 0, "type": "osd", "utilization": -nan, "var": nan,
      "kb": 0, "device_class": "a \" -nan inf"}, {"id": 1, "type": "osd", "utilization": inf, "var":-inf,
      "kb": 5}], "summary": {"average_utilization":-nan}})");
  CHECK(seen.note == "");
  CHECK(seen.osds[0].utilization == std::nullopt);
  CHECK(seen.osds[0].variance == std::nullopt);
  CHECK(seen.osds[0].size_bytes == 0);
  CHECK(seen.osds[1].utilization == std::nullopt);
  CHECK(seen.osds[1].size_bytes == 5 * 1024);
  CHECK(parse(R"({"a": "-nan"})")->at("a") == "-nan");
}

TEST_CASE("what has another type or is out of range is not known; what is new is skipped") {
  const StorageSurvey seen = with("osd dump", R"({"new": {}, "osds": [
      {"osd": 0, "uuid": 7, "up": true, "in": "yes", "weight": "1.0", "state": "up", "newer": [1]},
      {"osd": -1, "up": 1}, {"osd": 4294967296}, {"osd": "2"}, null, [], {"up": 1},
      {"osd": 5, "weight": -1, "primary_affinity": {}, "state": [1, "exists", null]}]})");
  REQUIRE(seen.osds.size() == 4);  // 0 and 5, and those that osd tree knows
  CHECK(seen.osds[0].uuid == "");
  CHECK(seen.osds[0].up == true);
  CHECK(seen.osds[0].in == std::nullopt);
  CHECK(seen.osds[0].reweight == 1);  // of osd tree
  CHECK(seen.osds[3].id == 5);
  CHECK(seen.osds[3].reweight == std::nullopt);
  CHECK(seen.osds[3].state == "exists");

  const StorageSurvey usage = with("osd df", R"({"nodes": [{"id": 0, "type": "osd", "kb": 18446744073709551615,
      "kb_used": 9223372036854775807, "kb_avail": 1.5e300, "pgs": -3, "utilization": 1e308}]})");
  CHECK(usage.osds[0].size_bytes == std::nullopt);
  CHECK(usage.osds[0].used_bytes == std::nullopt);
  CHECK(usage.osds[0].available_bytes == std::nullopt);
  CHECK(usage.osds[0].pgs == std::nullopt);
}

TEST_CASE("an answer of another form is named") {
  CHECK(with("osd dump", "{}").note == std::string("osd dump: ") + unknown_form);
  CHECK(with("osd dump", "[]").note == std::string("osd dump: ") + unknown_form);
  CHECK(with("osd df", R"({"nodes": {}})").note == std::string("osd df: ") + unknown_form);
  CHECK(with("health", R"({"status": 3, "checks": {}})").note == std::string("health: ") + unknown_form);
  CHECK(with("osd pool stats", "7").note == std::string("osd pool stats: ") + unknown_form);
  CHECK(with("osd perf", "").note == "osd perf: the answer is not JSON");
  CHECK(with("osd perf", std::string(100'000, '[')).note == "osd perf: the answer is not JSON");
  CHECK(with("pg ls", R"({"pg_stats": 1})").note == std::string("pg ls: ") + unknown_form);
}

TEST_CASE("an answer that was cut anywhere is refused or read, and the rest stays") {
  const std::string whole = recorded("16.2.15-busy")["osd df"].text;
  for (std::size_t length = 0; length + 1 < whole.size(); length += 7) {
    const StorageSurvey seen = with("osd df", whole.substr(0, length));
    CHECK(seen.outcome == Outcome::Done);
    CHECK(seen.note == "osd df: the answer is not JSON");
    CHECK(seen.osds.size() == 3);
  }
}

TEST_CASE("more OSDs, pools and checks than can be shown are cut and said; texts too") {
  Json osds = Json::array();
  Json pools = Json::array();
  for (std::size_t i = 0; i < osds_max + 10; ++i) osds.push_back({{"osd", i}, {"uuid", std::string(1000, 'u')}});
  for (std::size_t i = 0; i < pools_max + 1; ++i) pools.push_back({{"pool", i}, {"pool_name", "p"}});
  Json checks = Json::object();
  for (std::size_t i = 0; i < health_checks_max + 1; ++i) checks["CHECK" + std::to_string(i)] = Json::object();
  Replies replies = {{"osd dump", {true, Json{{"osds", osds}, {"pools", pools}}.dump()}},
                     {"health", {true, Json{{"status", "HEALTH_ERR"}, {"checks", checks}}.dump()}}};
  const StorageSurvey seen = survey(replies);
  CHECK(seen.osds.size() == osds_max);
  CHECK(seen.osds[0].uuid.size() == text_bytes_max);
  CHECK(seen.pools.size() == pools_max);
  CHECK(seen.health.checks.size() == health_checks_max);
  CHECK_THAT(seen.note, Catch::Contains("OSDs: there are 4106, and only the first 4096 are shown") &&
                            Catch::Contains("pools: there are 1025, and only the first 1024 are shown"));
}

// Any bytes at all: the survey must come, and be one that the wire and the store take.
TEST_CASE("answers damaged at random do no harm") {
  constexpr int rounds = 1500;
  std::mt19937 random(20261121);
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  const std::vector<std::string> pieces = {"-nan",    "inf",  "null", "\"", "{",  "}",
                                           "[",       "]",    ",",    ":",  "-1", "1e999",
                                           "\\u0000", "\xff", "true", "{}", "[]", "18446744073709551616"};
  for (const char* folder : {"16.2.15-busy", "16.2.15-osd-down", "16.2.15-no-osds", "luminous"}) {
    const Replies whole = recorded(folder);
    PgRates rates;
    for (int round = 0; round < rounds; ++round) {
      Replies damaged = whole;
      for (auto& [command, reply] : damaged) {
        for (std::size_t i = below(4); i > 0 && !reply.text.empty(); --i) {
          const std::size_t at = below(reply.text.size());
          const std::string& piece = pieces[below(pieces.size())];
          reply.text.replace(at, below(12), piece);
        }
        if (below(20) == 0) reply.answered = false;
      }
      const StorageSurvey seen = survey_of(damaged, rates, seconds(1000 + static_cast<std::uint64_t>(round)));
      const auto decoded = runtime::decode<StorageSurvey>(runtime::encode(seen));
      REQUIRE(std::holds_alternative<StorageSurvey>(decoded));
      for (const OsdFacts& osd : seen.osds)
        REQUIRE((!osd.utilization || (std::isfinite(*osd.utilization) && *osd.utilization >= 0)));
    }
  }
}
