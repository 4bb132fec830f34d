// The plugin SDK: what a plugin author reads, in five minutes.
//
// A plugin is a class derived from Plugin and from the roles it fills (roles.hpp; none for one that only observes). It
// runs in a process of its own (units do so; a host may be given several) with one thread that is its own: start, tick,
// the role calls and stop all come on that thread and may block (calls of a Fencer come on others). The host answers
// the bus meanwhile, shows the stall, and past stall_limit_ms lets systemd restart it.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/build_id.hpp"  // made at build

struct sd_event;

namespace pvcd {

// Raised on the host and the plugin side when the environment refuses; the text names file, key or argument and what to
// do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The plugin's table from plugins.d/<name>.toml and the shared ones of pvcd.toml, already checked against declared
// keys.
class Settings {
 public:
  virtual ~Settings() = default;
  virtual std::string text(std::string_view key) const = 0;
  virtual std::int64_t number(std::string_view key) const = 0;
  virtual std::vector<std::string> list(std::string_view key) const = 0;
  // Sub-tables of one kind, e.g. tables("bmc") for [bmc.n1], [bmc.n2]: name -> its settings.
  virtual std::vector<std::string> tables(std::string_view kind) const = 0;
  virtual const Settings& table(std::string_view kind, std::string_view name) const = 0;
};

enum class Level { Debug, Info, Notice, Warning, Error };

struct Permit;

class Host {
 public:
  virtual ~Host() = default;
  virtual const Settings& settings() const = 0;                 // plugins.d/<name>.toml
  virtual const Settings& shared() const = 0;                   // pvcd.toml; keys as "table.key", e.g. "node.name"
  virtual void report(std::string key, std::string value) = 0;  // a fact; latest value wins; never blocks
  virtual void log(Level, std::string_view message) = 0;        // never blocks
  // Asked by an act just before it is done: the permit's time has not ended, and no request of a newer primary has
  // come.
  virtual bool holds(const Permit&) const = 0;
  // Of the plugin's thread, for libraries that are loop-driven. It turns between the calls; a call that waits for such
  // a library may turn it itself (sd_event_run).
  virtual sd_event* loop() = 0;
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual void start(Host&) = 0;   // connect; throw Error: the process ends, systemd starts it again
  virtual void tick() {}           // every interval_ms, if the last one has ended
  virtual void stop() noexcept {}  // on SIGTERM; after TimeoutStopSec= of its unit it is killed
};

// What the one exported symbol points to. The build id must equal the host's: no out-of-tree plugins are promised.
struct PluginEntry {
  const char* build_id;
  const char* name;
  Plugin* (*create)();
  bool needs_bus;  // false: it runs on where there is no bus (the keepalive waits for nothing)
};

#define PVCD_PLUGIN_ENTRY(plugin_name, Class, needs_bus)                                   \
  extern "C" __attribute__((visibility("default"))) const ::pvcd::PluginEntry pvcd_plugin; \
  const ::pvcd::PluginEntry pvcd_plugin {                                                  \
    PVCD_BUILD_ID, plugin_name, []() -> ::pvcd::Plugin* { return new Class; }, needs_bus   \
  }

#define PVCD_PLUGIN(plugin_name, Class) PVCD_PLUGIN_ENTRY(plugin_name, Class, true)
#define PVCD_PLUGIN_WITHOUT_BUS(plugin_name, Class) PVCD_PLUGIN_ENTRY(plugin_name, Class, false)

}  // namespace pvcd
