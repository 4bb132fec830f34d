// Loads a plugin: one file, one exported symbol. Never unloaded: code of a library that made threads
// or registered handlers must stay where it is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "sdk/plugin.hpp"

namespace pvcd::host {

struct LoadedPlugin {
  std::string name;
  bool needs_bus = true;
  std::unique_ptr<Plugin> plugin;
};

// Throws Error that names the file: missing, not a plugin, of another build, or of another name.
LoadedPlugin load_plugin(const std::filesystem::path& directory, const std::string& name);

}  // namespace pvcd::host
