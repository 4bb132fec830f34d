#include "runtime/names.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#ifndef PVCD_PLUGIN_DIRECTORY
#error "PVCD_PLUGIN_DIRECTORY: where plugins are installed"
#endif

namespace pvcd::runtime::names {

namespace {

std::string replaced(std::string_view text, char from, char to) {
  std::string result(text);
  std::replace(result.begin(), result.end(), from, to);
  return result;
}

std::string path_below(std::string_view kind, std::string_view name) {
  return std::string(root_path) + "/" + std::string(kind) + "/" + replaced(name, '-', '_');
}

std::optional<std::string> name_below(std::string_view kind, std::string_view path) {
  const std::string prefix = path_below(kind, "");
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return std::nullopt;
  const std::string_view rest = path.substr(prefix.size());
  if (rest.find('/') != std::string_view::npos) return std::nullopt;
  return replaced(rest, '_', '-');
}

std::string directory(const char* variable, const char* fallback) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : fallback;
}

}  // namespace

bool is_node_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
         std::ranges::all_of(name, allowed);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t index = 0; index < text.size(); ++index) {
    const bool dash = index == 8 || index == 13 || index == 18 || index == 23;
    if (dash ? text[index] != '-' : std::isxdigit(static_cast<unsigned char>(text[index])) == 0) return false;
  }
  return true;
}

std::string node_path(std::string_view node) { return path_below("node", node); }
std::string vm_path(std::string_view uuid) { return path_below("vm", uuid); }
std::string osd_path(std::uint64_t id) { return path_below("osd", std::to_string(id)); }
std::string job_path(std::uint64_t id) { return path_below("job", std::to_string(id)); }
std::optional<std::string> node_of_path(std::string_view path) { return name_below("node", path); }
std::optional<std::string> vm_of_path(std::string_view path) { return name_below("vm", path); }

std::string plugin_bus(std::string_view plugin) { return std::string(bus) + ".plugin." + replaced(plugin, '-', '_'); }

std::string config_directory() { return directory("PVCD_CONFIG_DIR", "/etc/pvcd"); }
std::string plugin_directory() { return directory("PVCD_PLUGIN_DIR", PVCD_PLUGIN_DIRECTORY); }
std::string run_directory() { return directory("PVCD_RUN_DIR", "/run/pvcd"); }
std::string state_directory() { return directory("PVCD_STATE_DIR", "/var/lib/pvcd"); }

}  // namespace pvcd::runtime::names
