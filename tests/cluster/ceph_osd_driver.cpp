// The ceph-osd plugin without host and bus: for each line of standard input one survey, as JSON with the seconds that
// it took. Started as: ceph-osd-driver CEPH_CONF CEPH_CLIENT TIMEOUT_MS.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/wire.hpp"
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
      : conf_(arguments[1]), client_(arguments[2]), timeout_ms_(std::stoll(arguments[3])) {}
  std::string text(std::string_view key) const override { return key == "ceph_conf" ? conf_ : client_; }
  std::int64_t number(std::string_view) const override { return timeout_ms_; }
  std::vector<std::string> list(std::string_view) const override { throw Error("no lists"); }
  std::vector<std::string> tables(std::string_view) const override { return {}; }
  const Settings& table(std::string_view, std::string_view) const override { throw Error("no tables"); }

 private:
  std::string conf_;
  std::string client_;
  std::int64_t timeout_ms_;
};

class DriverHost final : public Host {
 public:
  explicit DriverHost(char** arguments) : settings_(arguments) {}
  const Settings& settings() const override { return settings_; }
  const Settings& shared() const override { return settings_; }
  void report(std::string, std::string) override {}
  void log(Level, std::string_view message) override { std::cerr << message << '\n'; }
  sd_event* loop() override { return nullptr; }
  bool holds(const Permit& permit) const override { return pvcd::holds(permit); }

 private:
  DriverSettings settings_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  DriverHost host(argv);
  const std::unique_ptr<Plugin> plugin(pvcd_plugin.create());
  plugin->start(host);
  auto& observer = dynamic_cast<StorageObserver&>(*plugin);
  for (std::string line; std::getline(std::cin, line);) {
    const Instant began = boottime_now();
    const StorageSurvey survey = observer.observe({});
    const auto took = static_cast<double>(boottime_now() - began) / 1e6;
    std::cout << json{{"survey", json::parse(runtime::encode(survey))}, {"seconds", took}} << std::endl;
  }
  plugin->stop();
}
