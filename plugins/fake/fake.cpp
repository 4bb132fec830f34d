#include "fake.hpp"

#include <algorithm>
#include <sstream>

namespace pvcd::fake {
namespace {

const std::string domain_file = "domain.";
const std::string power_file = "power.";

Outcome outcome(const Lines& lines) {
  const std::string word = lines.text("outcome", "done");
  if (word == "done") return Outcome::Done;
  if (word == "refused") return Outcome::Refused;
  return Outcome::Unknown;
}

Answer answer(const Lines& lines) { return {outcome(lines), lines.text("note")}; }

Verdict verdict(const std::string& word) {
  if (word == "proceed") return Verdict::Proceed;
  if (word == "refuse") return Verdict::Refuse;
  if (word == "wait") return Verdict::Wait;
  return Verdict::Unknown;
}

DomainState domain_state(const std::string& word) {
  if (word == "gone") return DomainState::Gone;
  if (word == "running") return DomainState::Running;
  if (word == "paused") return DomainState::Paused;
  return DomainState::Unknown;
}

PowerState power_state(const std::string& word) {
  if (word == "on") return PowerState::On;
  if (word == "off") return PowerState::Off;
  return PowerState::Unknown;
}

// A domain's file is "<state> <number>"; the number stands for pid and start time.
struct FakeDomain {
  explicit FakeDomain(const std::string& line) {
    std::istringstream(line) >> state >> number;
    if (state.empty()) state = "gone";
  }
  Process process() const { return {number, static_cast<std::uint64_t>(number)}; }

  std::string state;
  std::int64_t number = 0;
};

}  // namespace

void Fake::start(Host& host) {
  host_ = &host;
  const std::string folder = host.settings().text("script");
  if (!std::filesystem::is_directory(folder)) throw Error("script: there is no folder " + folder);
  script_.emplace(folder);
  script_->call("start", "");
  report_domains();
  host.report("domains", "ready");
}

void Fake::tick() { report_domains(); }

void Fake::stop() noexcept {
  try {
    if (script_) script_->call("stop", "");
  } catch (const std::exception& error) {
    host_->log(Level::Error, error.what());
  }
}

// A file that a test has removed is a QEMU that crashed.
void Fake::report_domains() {
  std::map<std::string, std::string> now;
  for (const auto& [uuid, state] : said_) now[uuid] = "gone";
  for (const std::string& uuid : script_->names(domain_file))
    now[uuid] = FakeDomain(script_->read(domain_file + uuid)).state;
  for (const auto& [uuid, state] : now)
    if (said_[uuid] != state) host_->report("domain/" + uuid, state);
  said_ = now;
}

DomainProbe Fake::probe(const ProbeRequest& request) {
  const Lines lines = script_->call("probe", request.uuid);
  const FakeDomain domain(script_->read(domain_file + request.uuid));
  DomainProbe probe{domain_state(lines.text("state", domain.state)), std::nullopt, lines.text("note")};
  if (probe.state == DomainState::Running || probe.state == DomainState::Paused) probe.process = domain.process();
  return probe;
}

CreateAnswer Fake::create(const CreateRequest& request) {
  const Lines lines = script_->call("create", request.uuid + " generation=" + std::to_string(request.generation));
  CreateAnswer created{outcome(lines), std::nullopt, lines.text("note")};
  if (created.outcome != Outcome::Done) return created;
  const std::int64_t number = FakeDomain("last " + script_->read("last-process")).number + 1;
  script_->write("last-process", std::to_string(number));
  script_->write(domain_file + request.uuid, "paused " + std::to_string(number));
  created.process = FakeDomain("paused " + std::to_string(number)).process();
  report_domains();
  return created;
}

Answer Fake::change_domain(const std::string& call, const DomainRequest& request, const std::string& state) {
  const Answer scripted = answer(script_->call(call, request.uuid + " process=" + std::to_string(request.process.pid)));
  if (scripted.outcome != Outcome::Done) return scripted;
  const std::string file = domain_file + request.uuid;
  const FakeDomain domain(script_->read(file));
  if (domain.process() == request.process) {
    if (state == "gone")
      script_->remove(file);
    else
      script_->write(file, state + " " + std::to_string(domain.number));
  }
  report_domains();
  return scripted;
}

Answer Fake::resume(const DomainRequest& request) { return change_domain("resume", request, "running"); }
Answer Fake::shutdown(const DomainRequest& request) { return change_domain("shutdown", request, "gone"); }
Answer Fake::destroy(const DomainRequest& request) { return change_domain("destroy", request, "gone"); }

HookVerdict Fake::before_start(const VmStart& start) {
  const Lines lines = script_->call("before_start", start.uuid + " generation=" + std::to_string(start.generation));
  HookVerdict result;
  result.verdict = verdict(lines.text("verdict", "proceed"));
  result.reason = lines.text("note");
  result.wait = milliseconds(lines.number("wait_ms", 0));
  if (const std::string what = lines.text("wait_for"); !what.empty()) result.wait_for = {what};
  result.ask = lines.text("ask");
  return result;
}

Identified Fake::identify(const ImagesRequest& request) {
  const Lines lines = script_->call("identify", std::to_string(request.disks.size()) + " disks");
  Identified identified{outcome(lines), {}, lines.text("note")};
  const std::string address = request.own_addresses.empty() ? "127.0.0.1" : request.own_addresses.front();
  for (const Disk& disk : request.disks)
    if (disk.kind == DiskKind::Rbd)
      identified.instances.push_back({disk.source, address + ":0/" + script_->read("last-process")});
  return identified;
}

Answer Fake::after_stop(const VmStopped& stopped) { return answer(script_->call("after_stop", stopped.uuid)); }

PowerReading Fake::read(const ReadRequest& request) {
  const Lines lines = script_->call("read", request.node);
  const std::string switched = script_->read(power_file + request.node);
  const std::string state = lines.text("state", switched.empty() ? "on" : switched);
  return {power_state(state), lines.text("guid", request.system_uuid), lines.text("note")};
}

Answer Fake::power(const PowerRequest& request) {
  const std::string act = request.act == PowerAct::Off ? "off" : request.act == PowerAct::On ? "on" : "reset";
  const Answer scripted = answer(script_->call("power", request.node + " " + act + " boot=" + request.victim.boot));
  if (scripted.outcome == Outcome::Done)
    script_->write(power_file + request.node, request.act == PowerAct::Off ? "off" : "on");
  return scripted;
}

StorageFenced Fake::fence_storage(const StorageFenceRequest& request) {
  std::string addresses;
  for (const std::string& address : request.addresses) addresses += " " + address;
  const Answer scripted = answer(script_->call("fence_storage", request.victim.node + addresses));
  if (scripted.outcome != Outcome::Done) return {scripted.outcome, {}, {}, scripted.note};
  return {Outcome::Done, request.images, {"the fake storage knows nothing of " + request.victim.node}, {}};
}

Answer Fake::role_change(const RoleChange& change) {
  const std::string state = change.state == CoordinatorState::Takeover ? "takeover" : "relinquish";
  return answer(script_->call("role_change", state + " epoch=" + std::to_string(change.permit.epoch)));
}

Answer Fake::claim(const ClaimRequest& request) {
  return answer(script_->call("claim", request.self.node + " epoch=" + std::to_string(request.expected.epoch + 1)));
}

Answer Fake::vacate(const VacateRequest& request) {
  return answer(script_->call("vacate", request.self.node + " epoch=" + std::to_string(request.permit.epoch)));
}

// Ids from 0 on, and a pool; what they say is made from the id.
StorageSurvey Fake::observe(const ObserveRequest&) {
  const Lines lines = script_->call("observe", "");
  StorageSurvey survey;
  survey.outcome = outcome(lines);
  survey.note = lines.text("note");
  if (survey.outcome != Outcome::Done) return survey;
  const std::uint64_t down = lines.number("down", osds_max);
  for (std::uint32_t id = 0; id < lines.number("osds", 0); ++id) {
    OsdFacts osd;
    osd.id = id;
    osd.uuid = "00000000-0000-0000-0000-" + std::to_string(100'000'000'000 + id);
    osd.node = "n" + std::to_string(id % 3 + 1);
    osd.up = id != down;
    osd.in = true;
    osd.state = id != down ? "exists,up" : "exists";
    osd.pgs = id + 1;
    osd.used_bytes = lines.number("used_bytes", 0);
    survey.osds.push_back(osd);
  }
  PoolFacts pool;
  pool.id = 1;
  pool.name = "vms";
  survey.pools = {pool};
  survey.health.status = lines.text("health", "HEALTH_OK");
  if (survey.health.status != "HEALTH_OK") survey.health.checks = {{"OSD_DOWN", survey.health.status, "1 osds down"}};
  return survey;
}

}  // namespace pvcd::fake
