#include "runtime/wire.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace pvcd;
using runtime::decode;
using runtime::encode;

namespace {

VmStart vm_start() {
  VmStart request;
  request.permit = {123456789, 7};
  request.uuid = "11111111-2222-3333-4444-555555555555";
  request.generation = 18446744073709551615U;
  request.disks = {{"vda", DiskKind::Rbd, "vms/a"}, {"vdb", DiskKind::Local, "/var/\"x\"\n"}};
  request.self = {"n1", "boot", 4};
  request.own_addresses = {"10.0.0.1", "fd00::1"};
  request.own_dead = {{"vms/a", "10.0.0.1:0/77"}};
  request.covered = {{{"n2", "other", 3}, 9, {"10.0.0.2"}, {{"vms/a", "10.0.0.2:0/5"}}, CoverKind::LaterBoot}};
  request.living = {{"n3", {"10.0.0.3"}}};
  request.first_seen = {{"vms/a 10.0.0.1:0/78", 35000000}};
  request.file_systems = {{"/net/vms", "abc-12-1700000000"}};
  return request;
}

template <class Message>
std::string round(const Message& message) {
  const std::string text = encode(message);
  const auto decoded = decode<Message>(text);
  if (const auto* error = std::get_if<std::string>(&decoded)) FAIL(*error);
  CHECK(encode(std::get<Message>(decoded)) == text);
  return text;
}

template <class Message>
std::string wrong(const std::string& text) {
  const auto decoded = decode<Message>(text);
  REQUIRE(std::holds_alternative<std::string>(decoded));
  return std::get<std::string>(decoded);
}

}  // namespace

TEST_CASE("a request arrives as it was sent") {
  const VmStart sent = vm_start();
  const VmStart got = std::get<VmStart>(decode<VmStart>(encode(sent)));
  CHECK(got.permit.not_after == sent.permit.not_after);
  CHECK(got.permit.epoch == sent.permit.epoch);
  CHECK(got.uuid == sent.uuid);
  CHECK(got.generation == sent.generation);
  CHECK(got.disks == sent.disks);
  CHECK(got.self == sent.self);
  CHECK(got.own_addresses == sent.own_addresses);
  CHECK(got.own_dead == sent.own_dead);
  CHECK(got.covered == sent.covered);
  CHECK(got.living == sent.living);
  REQUIRE(got.first_seen.size() == 1);
  CHECK(got.first_seen[0].wait_for == sent.first_seen[0].wait_for);
  CHECK(got.first_seen[0].ago == sent.first_seen[0].ago);
  CHECK(got.file_systems == sent.file_systems);
}

TEST_CASE("every message survives the round trip") {
  round(Answer{Outcome::Refused, "because"});
  round(ProbeRequest{{1, 2}, "u", {{1, 2}, {3, 4}}});
  round(DomainProbe{DomainState::Paused, Process{5, 6}, ""});
  round(CreateRequest{{1, 2}, "u", "<domain/>", 3});
  round(CreateAnswer{Outcome::Done, Process{5, 6}, ""});
  round(DomainRequest{{1, 2}, "u", {3, 4}});
  round(vm_start());
  round(HookVerdict{Verdict::Wait, "r", 30, {"what", "more"}, "n2", true, {{"vms/a", "x"}}, {{"/net/vms", "id"}}});
  round(ImagesRequest{{1, 2}, {{"vda", DiskKind::Shared, "s"}}, {{"i", "a"}}, {"10.0.0.1"}, true});
  round(Identified{Outcome::Done, {{"i", "a"}}, ""});
  round(VmStopped{{1, 2}, "u", {}, {{"i", "a"}}, {}});
  round(ReadRequest{{1, 2}, "n1", "boot", "uuid"});
  round(PowerReading{PowerState::Off, "guid", ""});
  round(PowerRequest{{1, 2}, "n1", {"n1", "boot", 3}, "uuid", PowerAct::Reset});
  round(RoleChange{{1, 4}, CoordinatorState::Relinquish});
  round(ClaimRequest{{1, 2}, {"n1", "boot", 3}, -1, {5, "n2", 6}, true});
  round(VacateRequest{{1, 9}, {"n1", "boot", 3}});
  round(ObserveRequest{{1, 2}});
  round(StorageSurvey{});
  OsdFacts osd{7,   "uuid", "n1", "ssd", "exists,up", true, false, 0.5, 1.25, 0.75, 0.1,
               1.5, 33,     1,    2,     3,           4,    5,     6,   7,    8,    9};
  PoolFacts pool{1, "vms", 2, 3, 4, 5, 0.25, 6, 7, 8, 9};
  const StorageSurvey survey{Outcome::Done, "n", {osd, {}}, {pool, {}}, {"HEALTH_WARN", {{"OSD_DOWN", "s", "t"}}}};
  const auto got = std::get<StorageSurvey>(decode<StorageSurvey>(round(survey)));
  CHECK(got.osds == survey.osds);
  CHECK(got.pools == survey.pools);
  CHECK(got.health == survey.health);
}

TEST_CASE("enums are words, an absent process is null") {
  CHECK(encode(DomainProbe{DomainState::Gone, std::nullopt, "n"}) == R"({"note":"n","process":null,"state":"gone"})");
  CHECK(encode(Answer{}) == R"({"note":"","outcome":"unknown"})");
}

TEST_CASE("what is not exactly a message is refused, and the place named") {
  CHECK(wrong<Answer>("{") == "not JSON");
  CHECK_THAT(wrong<Answer>("[]"), Catch::Contains("not an object"));
  CHECK_THAT(wrong<Answer>(R"({"outcome":"done"})"), Catch::Contains("note: missing"));
  CHECK_THAT(wrong<Answer>(R"({"outcome":"done","note":"","more":1})"), Catch::Contains("more: unknown key"));
  CHECK_THAT(wrong<Answer>(R"({"outcome":"perhaps","note":""})"), Catch::Contains("outcome:"));
  CHECK_THAT(wrong<Answer>(R"({"outcome":1,"note":""})"), Catch::Contains("outcome:"));
  CHECK_THAT(wrong<StorageSurvey>(R"({"outcome":"done","note":"","osds":[],"pools":[{"id":1,"name":"a",
      "stored_bytes":null,"used_bytes":null,"available_bytes":null,"objects":null,"used_fraction":"much",
      "read_ops":null,"write_ops":null,"read_bytes":null,"write_bytes":null}],"health":{"status":"","checks":[]}})"),
             Catch::Contains("pools[0].used_fraction: not a number"));
  CHECK_THAT(wrong<Answer>(R"({"outcome":"done","note":null})"), Catch::Contains("note: not a text"));
  CHECK_THAT(
      wrong<ProbeRequest>(R"({"permit":{"not_after":1,"epoch":2},"uuid":"u","recorded":[{"pid":1,"start_time":-2}]})"),
      Catch::Contains("recorded[0].start_time"));
  CHECK_THAT(
      wrong<ProbeRequest>(R"({"permit":{"not_after":1,"epoch":2},"uuid":"u","recorded":[{"pid":1.5,"start_time":2}]})"),
      Catch::Contains("recorded[0].pid"));
  CHECK_THAT(wrong<VacateRequest>(
                 R"({"permit":{"not_after":1,"epoch":2},"self":{"node":"n","boot":"b","incarnation":1,"x":2}})"),
             Catch::Contains("self.x: unknown key"));
}

TEST_CASE("bytes that are no UTF-8 do not cost the answer") {
  const Answer got = std::get<Answer>(decode<Answer>(encode(Answer{Outcome::Done,
                                                                   "a\xff"
                                                                   "b"})));
  CHECK(got.outcome == Outcome::Done);
  CHECK(got.note.starts_with("a"));
}
