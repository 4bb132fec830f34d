#include "store/codec.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "store/fields.hpp"

using namespace pvcd;
using namespace pvcd::store;
using nlohmann::json;

namespace {

// Every field differs from its default, so that a field without a key is noticed.
const Life life{"n1", "boot-1", 7};
const ClientInstance instance{"rbd/disk", "[fd00::1]:0/123"};

template <class Record>
Record example();

template <>
ClusterRecord example() {
  return {"id", "name", true};
}
template <>
NodeRecord example() {
  return {"n1", "machine", "uuid", "boot-1", 7, {"10.0.0.1"}, {"10.1.0.1", "fd00::1"}, {"10.0.0.9"}, 8, 1ull << 62};
}
template <>
LiveRecord example() {
  return {"n1",
          "boot-1",
          7,
          42,
          DaemonState::Shutdown,
          1,
          2,
          0.25,
          {{"core", {"running", 1000, "well"}}},
          SelfFence{true, 3, 4, "note"},
          "the kernel offers it"};
}
template <>
ReadinessRecord example() {
  return {"boot-1", true, "GUID matches"};
}
template <>
LeaderRecord example() {
  return {3, "n1", 7};
}
template <>
RoleRecord example() {
  return {CoordinatorState::Takeover, 3};
}
template <>
VmRecord example() {
  return {"uuid",
          "web",
          "<domain name=\"ü\"/>\n",
          WantedState::Disabled,
          true,
          "n1",
          {"n1", "n2"},
          -5,
          1ull << 32,
          4,
          {{"vda", DiskKind::Rbd, "rbd/disk"}, {"vdb", DiskKind::Shared, "/a"}},
          {"tag"},
          "large",
          true};
}
template <>
OwnerRecord example() {
  return {9, life, {"10.1.0.1"}, true, 3, {{life, 8, {"10.1.0.1"}, {instance}, CoverKind::LaterBoot}}, {"n2"}};
}
template <>
RunRecord example() {
  return {9, life, VmState::Migrating, Process{12, 34}, {instance}, "waits", 5, {{"/net/vms", "abc-1-2"}}};
}
template <>
WaitingRecord example() {
  return {"no node can take it now"};
}
template <>
DecisionRecord example() {
  return {"fence n2",
          "its session is gone",
          {"silent"},
          {"n3: too little memory"},
          "node/n2",
          {"/nodes/n2@4"},
          {"node-release-images n2"},
          3,
          "n1",
          1700000000000000};
}
template <>
WitnessRecord example() {
  return {7, "the store is at epoch 6, this node has seen 7", true};
}
template <>
EvidenceRecord example() {
  return {EvidenceKind::Storage, life, "n2", 3, {"first", "second"}, {"vms/web1"}};
}
template <>
FenceRecord example() {
  return {life, FencePhase::Acting, "n2", 3, 4, "no heartbeat", "timed out"};
}
template <>
LinkRecord example() {
  return {
      LinkKind::Started, 9, life, 3, Process{12, 34}, Handover{life, 8, CoverKind::Power, example<EvidenceRecord>()}};
}
template <>
JobRecord example() {
  return {1,         "vm-start", "uuid",          {{"node", "n1"}}, "n1", 1000, JobState::Running, JobResult::Refused,
          "because", 6,          1700000000000000};
}

template <>
OsdPageRecord example() {
  return {{{7,   "uuid", "n1",       "ssd", "exists,up", true, false, 0.5, 1.25, 0.75, 0.1,
            1.5, 33,     1ull << 42, 2,     3,           4,    5,     6,   7,    8,    9}}};
}
template <>
StorageRecord example() {
  return {5,
          6,
          "note",
          {"HEALTH_WARN", {{"OSD_DOWN", "HEALTH_WARN", "1 osds down"}}},
          {{1, "vms", 2, 3, 4, 5, 0.25, 6, 7, 8, 9}}};
}

const std::set<std::string> optional_keys = {
    "images",       "self_fence",  "age",         "health",   "pools",      "floating_addresses",
    "note",         "memory_used", "memory_free", "cpu_load", "node_limit", "priority",
    "tags",         "profile",     "autostart",   "process",  "handover",   "reason",
    "facts",        "arguments",   "message",     "mark",     "start_time", "failed_on",
    "file_systems", "may_sleep",   "follow_up"};

template <class Record>
std::string problem(const std::string& text) {
  auto decoded = decode<Record>(text);
  auto* error = std::get_if<DecodeError>(&decoded);
  return error ? error->text : "";
}

struct Anything {
  template <class Type>
  operator Type() const {
    return {};
  }
};

// How many values a structure can be made of: its fields.
template <class Structure, class... Values>
constexpr std::size_t field_count() {
  if constexpr (requires { Structure{Values{}..., Anything{}}; })
    return field_count<Structure, Values..., Anything>();
  else
    return sizeof...(Values);
}

struct Counter {
  std::size_t keys = 0;
  void required(const char*, const auto&) { ++keys; }
  void optional(const char*, const auto&) { ++keys; }
};

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

#define RECORDS                                                                                                        \
  ClusterRecord, NodeRecord, LiveRecord, ReadinessRecord, LeaderRecord, RoleRecord, VmRecord, OwnerRecord, RunRecord,  \
      WaitingRecord, EvidenceRecord, WitnessRecord, FenceRecord, LinkRecord, JobRecord, DecisionRecord, StorageRecord, \
      OsdPageRecord

TEMPLATE_TEST_CASE("A record survives its text form", "", RECORDS) {
  auto record = example<TestType>();
  auto decoded = decode<TestType>(encode(record));
  REQUIRE(std::holds_alternative<TestType>(decoded));
  CHECK(std::get<TestType>(decoded) == record);
  auto empty = decode<TestType>(encode(TestType{}));
  REQUIRE(std::holds_alternative<TestType>(empty));
  CHECK(std::get<TestType>(empty) == TestType{});
}

TEMPLATE_TEST_CASE("Every field has a key", "", RECORDS, Process, ClientInstance, FileSystem, Life, UnitReport, Disk,
                   Writer, Handover, OsdFacts, PoolFacts, HealthCheck, HealthFacts) {
  Counter counter;
  visit_fields(counter, std::as_const(*std::make_unique<TestType>()));
  CHECK(counter.keys == field_count<TestType>());
}

TEMPLATE_TEST_CASE("A key that is missing or of another type is named", "", RECORDS) {
  auto whole = json::parse(encode(example<TestType>()));
  for (const auto& [key, value] : whole.items()) {
    INFO(key);
    auto without = whole;
    without.erase(key);
    bool may_miss = optional_keys.contains(key);
    CHECK(problem<TestType>(without.dump()) == (may_miss ? "" : "key '" + key + "' is missing"));
    for (const json& other :
         {json(nullptr), json("?"), json(-1.5), json(true), json::array({1}), json::object({{"a", 1}})}) {
      bool same_type = other.type() == value.type() && !value.is_array() && !value.is_object();
      bool free_text = same_type && value.is_string();
      bool none = other.is_null() && (key == "process" || key == "handover" || key == "self_fence" ||
                                      key == "age");  // what may be absent may be null
      auto changed = whole;
      changed[key] = other;
      auto told = problem<TestType>(changed.dump());
      if (!same_type && !none && !(value.is_number_float() && other.is_number())) CHECK(mentions(told, "key '" + key));
      if (free_text && !told.empty()) CHECK(mentions(told, "unknown word '?'"));
    }
  }
}

TEMPLATE_TEST_CASE("Keys of a newer release are passed over", "", RECORDS) {
  auto record = example<TestType>();
  auto newer = json::parse(encode(record));
  newer["of_a_newer_release"] = {{"a", 1}};
  CHECK(std::get<TestType>(decode<TestType>(newer.dump())) == record);
}

TEST_CASE("Enums are lower-case words") {
  CHECK(json::parse(encode(example<EvidenceRecord>()))["kind"] == "storage");
  EvidenceRecord later_boot;
  later_boot.kind = EvidenceKind::LaterBoot;
  CHECK(json::parse(encode(later_boot))["kind"] == "later_boot");
  CHECK(json::parse(encode(example<RoleRecord>()))["state"] == "takeover");
  CHECK(problem<RoleRecord>(R"({"state":"boss","epoch":1})") == "key 'state' has the unknown word 'boss'");
  CHECK(problem<RoleRecord>(R"({"state":"Primary","epoch":1})") == "key 'state' has the unknown word 'Primary'");
}

TEST_CASE("Numbers keep their range") {
  CHECK(problem<LeaderRecord>(R"({"epoch":-1,"node":"n1","incarnation":1})") == "key 'epoch' is out of range");
  CHECK(problem<LeaderRecord>(R"({"epoch":1.0,"node":"n1","incarnation":1})") == "key 'epoch' must be a whole number");
  CHECK(problem<LeaderRecord>(R"({"epoch":18446744073709551616,"node":"n1","incarnation":1})") ==
        "key 'epoch' must be a whole number");
  CHECK(problem<LeaderRecord>(R"({"epoch":9223372036854775808,"node":"n1","incarnation":1})") ==
        "key 'epoch' is out of range");
  auto largest = decode<LeaderRecord>(R"({"epoch":9223372036854775807,"node":"n1","incarnation":1})");
  CHECK(std::get<LeaderRecord>(largest).epoch == 9223372036854775807ull);
  auto vm = json::parse(encode(example<VmRecord>()));
  vm["vcpus"] = 1ull << 32;
  CHECK(problem<VmRecord>(vm.dump()) == "key 'vcpus' is out of range");
}

TEST_CASE("The place of an error inside an entry is told") {
  auto owner = json::parse(encode(example<OwnerRecord>()));
  owner["former"][0]["instances"][0]["address"] = 5;
  CHECK(problem<OwnerRecord>(owner.dump()) == "key 'former[0].instances[0].address' must be a text");
  auto live = json::parse(encode(example<LiveRecord>()));
  live["units"]["core"].erase("age");
  CHECK(problem<LiveRecord>(live.dump()) == "key 'units.core.age' is missing");
}

TEST_CASE("What is no record says so") {
  CHECK(problem<LeaderRecord>("") == "not a JSON text");
  CHECK(problem<LeaderRecord>(R"({"epoch":1,)") == "not a JSON text");
  CHECK(problem<LeaderRecord>("[]") == "the entry must be an object");
}

TEST_CASE("A text that is not UTF-8 does not stop a record") {
  auto record = example<ReadinessRecord>();
  record.note = "bad \xff byte";
  auto decoded = decode<ReadinessRecord>(encode(record));
  CHECK(std::get<ReadinessRecord>(decoded).note == "bad \xef\xbf\xbd byte");
}
