#include "host/loader.hpp"

#include <boost/dll/shared_library.hpp>
#include <list>
#include <string_view>

namespace pvcd::host {

namespace {

constexpr const char* symbol = "pvcd_plugin";

const PluginEntry& entry_of(const std::filesystem::path& file) {
  static std::list<boost::dll::shared_library> loaded;  // to the end of the process
  try {
    boost::dll::shared_library library(file, boost::dll::load_mode::rtld_now);
    if (!library.has(symbol))
      throw Error(file.string() + ": not a pvcd plugin: it does not export " + symbol + " (PVCD_PLUGIN)");
    loaded.push_back(std::move(library));
    return loaded.back().get<const PluginEntry>(symbol);
  } catch (const std::system_error& error) {
    throw Error(file.string() + ": cannot be loaded: " + error.what());
  }
}

}  // namespace

LoadedPlugin load_plugin(const std::filesystem::path& directory, const std::string& name) {
  const std::filesystem::path file = directory / (name + ".so");
  if (!std::filesystem::exists(file))
    throw Error(file.string() + ": there is no such plugin; install its package or correct the unit's name");
  const PluginEntry& entry = entry_of(file);
  if (std::string_view(entry.build_id) != PVCD_BUILD_ID)
    throw Error(file.string() + ": is of build " + entry.build_id + ", this host of " PVCD_BUILD_ID +
                ": install both from one build and restart the unit");
  if (entry.name != name)
    throw Error(file.string() + ": calls itself \"" + entry.name + "\": file and plugin name must be equal");
  return {name, entry.needs_bus, std::unique_ptr<Plugin>(entry.create())};
}

}  // namespace pvcd::host
