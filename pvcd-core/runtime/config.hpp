// The configuration: pvcd.toml and plugins.d/<name>.toml, checked against one table of keys.
//
// The table (config_keys.cpp) is the truth: man page, check and defaults come from it or are tested against it.
// Whatever is wrong with a file is an Error that names file, line and key and says what to do; nothing starts with a
// doubtful setting.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sdk/plugin.hpp"
#include "sdk/types.hpp"

namespace pvcd::runtime {

enum class KeyType { Text, Number, List };
enum class Need { Default, Required, Optional };  // Optional: empty when not given

// What a text or list must look like beyond its type.
enum class Form { Any, NodeName, PluginName, Uuid, Address, Server, SecretFile, CredentialsFile, Directory };

// What a plugin can do: the roles of sdk/roles.hpp that a key may ask for.
enum class Role { None, Hypervisor, PreStartHook, Fencer, StorageFencer, RoleHook, StorageObserver };

struct KnownPlugin {
  std::string_view name;
  std::vector<Role> roles;
};

using Value = std::variant<std::string, std::int64_t, std::vector<std::string>>;

struct Key {
  std::string_view file;   // "pvcd", a plugin's name, or any_plugin
  std::string_view table;  // empty: top of the file; "bmc.*": in each [bmc.<name>]
  std::string_view name;
  KeyType type = KeyType::Text;
  Need need = Need::Default;
  Value fallback;
  std::int64_t minimum = 0;
  std::int64_t maximum = 0;
  std::string_view unit;
  std::string_view doc;
  Form form = Form::Any;
  Role role = Role::None;  // of form PluginName
};

inline constexpr std::string_view any_plugin = "*";

std::span<const Key> config_keys();
std::span<const KnownPlugin> known_plugins();

// One line a key, tab-separated: file, table, key, type, default, minimum, maximum, unit, doc. The man page test reads
// it.
std::string print_config_keys();

// A table of the file; keys as in the Settings contract ("node.name" in pvcd.toml, "timeout_ms" in a plugin's).
class Table : public Settings {
 public:
  std::string text(std::string_view key) const override;
  std::int64_t number(std::string_view key) const override;
  std::vector<std::string> list(std::string_view key) const override;
  std::vector<std::string> tables(std::string_view kind) const override;
  const Table& table(std::string_view kind, std::string_view name) const override;

  // For messages: the file, the key as it is written there, and its line; none: the default holds.
  const std::filesystem::path& file() const { return file_; }
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }
  std::optional<std::uint32_t> line(std::string_view key) const;

 private:
  friend class TableReader;
  template <class T>
  const T& get(std::string_view key) const;

  std::filesystem::path file_;
  std::string prefix_;  // of one of a kind: "bmc.n1."
  std::map<std::string, Value, std::less<>> values_;
  std::map<std::string, std::uint32_t, std::less<>> lines_;
  std::map<std::string, std::map<std::string, Table, std::less<>>, std::less<>> tables_;
};

// Throws Error. A plugin without a file gets its defaults.
std::unique_ptr<Table> load_shared(const std::filesystem::path& config_directory);
std::unique_ptr<Table> load_plugin(const std::filesystem::path& config_directory, const std::string& plugin,
                                   const Table& shared);

// All files, and the defaults of plugins that are named and have none, as --check-config does; also those of `plugin`,
// which runs although nothing names it. Throws the first Error.
void check_config(const std::filesystem::path& config_directory, const std::string& plugin = {});

// --check-config [PLUGIN] and --print-config-keys of both binaries: does it and gives the exit code; nothing when not
// asked for.
std::optional<int> run_config_option(int argc, const char* const* argv);

// The session timings that follow from [store] (design: T, D = 2/3 T, a proof is written every T/6).
struct SessionTimings {
  Microseconds timeout = 0;         // T
  Microseconds proof_limit = 0;     // D: a proof older than this gives no right to act
  Microseconds proof_interval = 0;  // T/6
};
SessionTimings session_timings(const Settings& shared);

}  // namespace pvcd::runtime
