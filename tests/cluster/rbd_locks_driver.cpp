// The rbd-locks plugin without host and bus: a JSON request per line of standard input, a JSON answer per line of
// standard output. Started as: rbd-locks-driver CEPH_CONF TIMEOUT_MS WATCH_TIMEOUT_MS. What a request leaves out is
// empty.
#include <time.h>

#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "sdk/permit.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

extern "C" const pvcd::PluginEntry pvcd_plugin;

namespace {

using nlohmann::json;
using namespace pvcd;

class DriverSettings final : public Settings {
 public:
  explicit DriverSettings(char** arguments)
      : conf_(arguments[1]),
        numbers_{{"timeout_ms", std::stoll(arguments[2])}, {"watch_timeout_ms", std::stoll(arguments[3])}} {}
  std::string text(std::string_view key) const override { return key == "ceph_conf" ? conf_ : "admin"; }
  std::int64_t number(std::string_view key) const override { return numbers_.at(std::string(key)); }
  std::vector<std::string> list(std::string_view key) const override {
    return key == "node.storage_addresses" ? own_addresses : std::vector<std::string>();
  }
  std::vector<std::string> tables(std::string_view) const override { return {}; }
  const Settings& table(std::string_view, std::string_view) const override { throw Error("no tables"); }

  std::vector<std::string> own_addresses;

 private:
  std::string conf_;
  std::map<std::string, std::int64_t> numbers_;
};

class DriverHost final : public Host {
 public:
  explicit DriverHost(char** arguments) : own(arguments) {}
  const Settings& settings() const override { return own; }
  const Settings& shared() const override { return own; }
  void report(std::string key, std::string value) override { facts[std::move(key)] = std::move(value); }
  void log(Level, std::string_view message) override { std::cerr << message << '\n'; }
  sd_event* loop() override { return nullptr; }
  bool holds(const Permit& permit) const override { return pvcd::holds(permit) && permit.epoch >= newest_epoch; }

  DriverSettings own;
  std::map<std::string, std::string> facts;
  Epoch newest_epoch = 0;
};

std::vector<ClientInstance> instances(const json& request, const char* key) {
  std::vector<ClientInstance> found;
  for (const json& each : request.value(key, json::array())) found.push_back({each.at(0), each.at(1)});
  return found;
}

json to_json(const std::vector<ClientInstance>& instances) {
  json found = json::array();
  for (const ClientInstance& each : instances) found.push_back({each.image, each.address});
  return found;
}

std::vector<std::string> texts(const json& request, const char* key) {
  return request.value(key, std::vector<std::string>());
}

std::vector<Disk> disks(const json& request) {
  std::vector<Disk> found;
  for (const std::string& image : texts(request, "images")) found.push_back({"vda", DiskKind::Rbd, image});
  return found;
}

Permit permit(const json& request) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return {seconds(static_cast<std::uint64_t>(now.tv_sec)) + milliseconds(request.value("permit_ms", 30000U)), 1};
}

CoverKind cover(const std::string& name) {
  static const std::map<std::string, CoverKind> kinds = {
      {"none", CoverKind::None},         {"release", CoverKind::Release},
      {"power", CoverKind::Power},       {"later-boot", CoverKind::LaterBoot},
      {"operator", CoverKind::Operator}, {"storage", CoverKind::Storage}};
  return kinds.at(name);
}

json before_start(PreStartHook& hook, const json& request) {
  VmStart start;
  start.permit = permit(request);
  start.disks = disks(request);
  start.self = {"n1", "boot-1", 1};
  start.own_addresses = texts(request, "own_addresses");
  start.own_dead = instances(request, "own_dead");
  for (const json& each : request.value("covered", json::array())) {
    start.covered.push_back({{each.at("node"), "boot-2", 1},
                             1,
                             texts(each, "addresses"),
                             instances(each, "instances"),
                             cover(each.at("cover"))});
  }
  start.living = request.value("living", decltype(start.living)());
  for (const json& each : request.value("first_seen", json::array())) {
    start.first_seen.push_back({each.at(0), milliseconds(each.at(1).get<std::uint64_t>())});
  }
  const HookVerdict answer = hook.before_start(start);
  const char* names[] = {"unknown", "proceed", "refuse", "wait"};
  return {{"verdict", names[static_cast<int>(answer.verdict)]},
          {"reason", answer.reason},
          {"wait_ms", answer.wait / 1000},
          {"wait_for", answer.wait_for},
          {"ask", answer.ask},
          {"present", to_json(answer.present)}};
}

const char* text_of(Outcome outcome) {
  return outcome == Outcome::Done ? "done" : outcome == Outcome::Refused ? "refused" : "unknown";
}

json identify(PreStartHook& hook, const json& request) {
  const Identified answer =
      hook.identify({{}, disks(request), instances(request, "present"), texts(request, "own_addresses")});
  return {{"outcome", text_of(answer.outcome)}, {"instances", to_json(answer.instances)}, {"note", answer.note}};
}

json after_stop(PreStartHook& hook, const json& request) {
  const Answer answer = hook.after_stop(
      {permit(request), "", disks(request), instances(request, "own_dead"), texts(request, "own_addresses")});
  return {{"outcome", text_of(answer.outcome)}, {"note", answer.note}};
}

json fence_storage(StorageFencer& fencer, const json& request) {
  const StorageFenced answer = fencer.fence_storage({permit(request),
                                                     {request.at("victim"), "boot-2", 1},
                                                     texts(request, "addresses"),
                                                     instances(request, "instances"),
                                                     texts(request, "images")});
  return {
      {"outcome", text_of(answer.outcome)}, {"images", answer.images}, {"facts", answer.facts}, {"note", answer.note}};
}

json answer(Plugin& plugin, DriverHost& host, const json& request) {
  host.newest_epoch = request.value("newest_epoch", Epoch{0});
  host.own.own_addresses = texts(request, "own_addresses");
  auto& hook = dynamic_cast<PreStartHook&>(plugin);
  const std::string call = request.at("call");
  if (call == "before_start") return before_start(hook, request);
  if (call == "identify") return identify(hook, request);
  if (call == "after_stop") return after_stop(hook, request);
  if (call == "fence_storage") return fence_storage(dynamic_cast<StorageFencer&>(plugin), request);
  plugin.tick();
  return host.facts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  DriverHost host(argv);
  const std::unique_ptr<Plugin> plugin(pvcd_plugin.create());
  plugin->start(host);
  std::cout << json(host.facts) << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << answer(*plugin, host, json::parse(line)) << std::endl;
  }
  plugin->stop();
}
