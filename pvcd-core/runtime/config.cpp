#include "runtime/config.hpp"

#include <arpa/inet.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <utility>

#include "runtime/config_checks.hpp"
#include "runtime/names.hpp"
#include "sdk/store_access.hpp"

namespace pvcd::runtime {

namespace fs = std::filesystem;

namespace {

bool is_address(const std::string& text) {
  in6_addr binary{};  // the longer of the two
  return inet_pton(AF_INET, text.c_str(), &binary) == 1 || inet_pton(AF_INET6, text.c_str(), &binary) == 1;
}

bool is_known_plugin(std::string_view name) {
  return std::ranges::find(known_plugins(), name, &KnownPlugin::name) != known_plugins().end();
}

std::string plugin_error(Role role, const std::string& text) {
  std::string able;
  for (const KnownPlugin& plugin : known_plugins()) {
    if (std::ranges::find(plugin.roles, role) == plugin.roles.end()) continue;
    if (plugin.name == text) return "";
    able += (able.empty() ? "" : ", ") + std::string(plugin.name);
  }
  return "no plugin \"" + text + "\" can do this; there are: " + able;
}

// Empty: it has the form.
std::string form_error(const Key& key, const std::string& text) {
  switch (key.form) {
    case Form::Any:
      return "";
    case Form::NodeName:
      return names::is_node_name(text)
                 ? ""
                 : "\"" + text + "\" is no name: use a-z, 0-9 and - inside, at most 63 characters";
    case Form::PluginName:
      return plugin_error(key.role, text);
    case Form::Uuid:
      return names::is_uuid(text) ? "" : "\"" + text + "\" is no UUID: write 8-4-4-4-12 hexadecimal digits";
    case Form::Address:
      return is_address(text) ? "" : "\"" + text + "\" is no IP address: write 192.0.2.11 or 2001:db8::11, no name";
    case Form::Server:
      return host_and_port(text) ? "" : "\"" + text + "\" is no server: write n1:2181 or [2001:db8::11]:2181";
    case Form::SecretFile:
    case Form::CredentialsFile:
      return text.starts_with("/") ? "" : "\"" + text + "\" is no absolute path";
    case Form::Directory: {
      const bool is_plain = fs::path(text).lexically_normal().string() == text && !text.ends_with("/");
      return text.starts_with("/") && is_plain
                 ? ""
                 : "\"" + text + "\" is no absolute path of a directory, without . .. // and a / at its end";
    }
  }
  return "";
}

}  // namespace

// ------------------------------------------------------------------------------------------------------------------
// Table

template <class T>
const T& Table::get(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end())
    throw Error("no configuration key \"" + std::string(key) + "\" is declared: add it to config_keys.cpp");
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) throw Error("configuration key \"" + std::string(key) + "\" is declared with another type");
  return *value;
}

std::string Table::text(std::string_view key) const { return get<std::string>(key); }
std::int64_t Table::number(std::string_view key) const { return get<std::int64_t>(key); }
std::vector<std::string> Table::list(std::string_view key) const { return get<std::vector<std::string>>(key); }

std::vector<std::string> Table::tables(std::string_view kind) const {
  std::vector<std::string> names;
  if (const auto found = tables_.find(kind); found != tables_.end())
    for (const auto& [name, table] : found->second) names.push_back(name);
  return names;
}

const Table& Table::table(std::string_view kind, std::string_view name) const {
  if (const auto found = tables_.find(kind); found != tables_.end())
    if (const auto entry = found->second.find(name); entry != found->second.end()) return entry->second;
  throw Error("there is no table [" + std::string(kind) + "." + std::string(name) + "]");
}

std::optional<std::uint32_t> Table::line(std::string_view key) const {
  const auto found = lines_.find(key);
  return found == lines_.end() ? std::nullopt : std::optional(found->second);
}

// -----------------------------------------------------------------------------------------------------------------
// reading

// Reads one file against the rows of the key table that are about it.
class TableReader {
 public:
  TableReader(fs::path path, std::string_view file) : path_(std::move(path)) {
    for (const Key& key : config_keys())
      if (key.file == file || (key.file == any_plugin && file != "pvcd")) keys_.push_back(&key);
  }

  Table read() {
    toml::table root;
    if (fs::exists(path_)) root = parse();
    Table result;
    result.file_ = path_;
    read_keys(root, "", "", result);
    for (const auto& [name, node] : root)
      if (!is_key("", name.str())) read_table(name.str(), node, result);
    for (const Key* key : keys_)
      if (!key->table.empty() && !key->table.ends_with(".*") && !root.contains(key->table))
        read_key(toml::table(), *key, std::string(key->table), std::string(key->table) + ".", result);
    return result;
  }

 private:
  toml::table parse() const {
    try {
      return toml::parse_file(path_.string());
    } catch (const toml::parse_error& error) {
      throw Error(at(error.source()) + "not TOML: " + std::string(error.description()));
    }
  }

  void read_table(std::string_view name, const toml::node& node, Table& result) const {
    const std::string many = std::string(name) + ".*";
    const bool one_of_a_kind = has_table(name);
    if (!one_of_a_kind && !has_table(many)) fail(node, name, "unknown; see pvcd.toml(5) for the keys there are");
    if (!node.is_table())
      fail(node, name, "must be a table: [" + std::string(name) + (one_of_a_kind ? "]" : ".<name>]"));
    const toml::table& table = *node.as_table();
    if (one_of_a_kind) {
      read_keys(table, name, std::string(name) + ".", result);
      refuse_unknown(table, name, name);
      return;
    }
    for (const auto& [entry, below] : table) {
      const std::string full = std::string(name) + "." + std::string(entry.str());
      if (!below.is_table()) fail(below, full, "must be a table: [" + full + "]");
      Table& target = result.tables_[std::string(name)][std::string(entry.str())];
      target.file_ = path_;
      target.prefix_ = full + ".";
      read_keys(*below.as_table(), many, "", target, full);
      refuse_unknown(*below.as_table(), many, full);
    }
  }

  // `prefix` is put before the key in the result; `shown` is the table's name in messages.
  void read_keys(const toml::table& table, std::string_view declared, const std::string& prefix, Table& result,
                 const std::string& shown = {}) const {
    for (const Key* key : keys_)
      if (key->table == declared) read_key(table, *key, shown.empty() ? std::string(declared) : shown, prefix, result);
  }

  void read_key(const toml::table& table, const Key& key, const std::string& shown, const std::string& prefix,
                Table& result) const {
    const std::string full = shown.empty() ? std::string(key.name) : shown + "." + std::string(key.name);
    const toml::node* node = table.get(key.name);
    if (node == nullptr && key.need == Need::Required)
      fail(table, full, "is missing and has no default: " + std::string(key.doc));
    const std::string kept = prefix + std::string(key.name);
    result.values_[kept] = node == nullptr ? key.fallback : value(*node, key, full);
    if (node != nullptr) result.lines_[kept] = node->source().begin.line;
  }

  Value value(const toml::node& node, const Key& key, const std::string& full) const {
    switch (key.type) {
      case KeyType::Text:
        return text(node, key, full);
      case KeyType::Number:
        return number(node, key, full);
      case KeyType::List:
        return list(node, key, full);
    }
    return key.fallback;
  }

  std::string text(const toml::node& node, const Key& key, const std::string& full) const {
    if (!node.is_string()) fail(node, full, "must be a text in quotes");
    const std::string& value = node.as_string()->get();
    if (value.empty() && key.need == Need::Required) fail(node, full, "must not be empty: " + std::string(key.doc));
    const bool is_left_out = value.empty() && key.form != Form::PluginName;  // nobody does the plugin's work without it
    if (const std::string error = is_left_out ? "" : form_error(key, value); !error.empty()) fail(node, full, error);
    return value;
  }

  std::int64_t number(const toml::node& node, const Key& key, const std::string& full) const {
    if (!node.is_integer())
      fail(node, full, "must be a whole number" + (key.unit.empty() ? "" : " of " + std::string(key.unit)));
    const std::int64_t value = node.as_integer()->get();
    if (value < key.minimum || value > key.maximum)
      fail(node, full,
           "is " + std::to_string(value) + ", must be from " + std::to_string(key.minimum) + " to " +
               std::to_string(key.maximum));
    return value;
  }

  std::vector<std::string> list(const toml::node& node, const Key& key, const std::string& full) const {
    if (!node.is_array()) fail(node, full, "must be a list of texts, such as [\"a\", \"b\"]");
    std::vector<std::string> values;
    for (const toml::node& item : *node.as_array()) {
      if (!item.is_string()) fail(item, full, "must hold texts only");
      values.push_back(item.as_string()->get());
      if (const std::string error = form_error(key, values.back()); !error.empty()) fail(item, full, error);
    }
    if (values.empty() && key.need == Need::Required) fail(node, full, "must not be empty: " + std::string(key.doc));
    return values;
  }

  void refuse_unknown(const toml::table& table, std::string_view declared, std::string_view shown) const {
    for (const auto& [name, node] : table)
      if (!is_key(declared, name.str()))
        fail(node, std::string(shown) + "." + std::string(name.str()),
             "unknown key; see pvcd.toml(5) for the keys there are");
  }

  bool is_key(std::string_view declared, std::string_view name) const {
    return std::ranges::any_of(keys_, [&](const Key* key) { return key->table == declared && key->name == name; });
  }
  bool has_table(std::string_view declared) const {
    return std::ranges::any_of(keys_, [&](const Key* key) { return key->table == declared; });
  }

  std::string at(const toml::source_region& source) const {
    const std::string line = source.begin ? ":" + std::to_string(source.begin.line) : "";
    return path_.string() + line + ": ";
  }
  [[noreturn]] void fail(const toml::node& node, std::string_view key, const std::string& what) const {
    throw Error(at(node.source()) + "\"" + std::string(key) + "\" " + what);
  }

  fs::path path_;
  std::vector<const Key*> keys_;
};

// -----------------------------------------------------------------------------------------------------------------
// whole files

SessionTimings session_timings(const Settings& shared) {
  const Microseconds timeout = milliseconds(static_cast<std::uint64_t>(shared.number("store.session_timeout_ms")));
  return {timeout, timeout * 2 / 3, timeout / 6};
}

std::unique_ptr<Table> load_shared(const fs::path& config_directory) {
  const fs::path path = config_directory / "pvcd.toml";
  if (!fs::exists(path)) throw Error(path.string() + ": is missing; pvcd.toml(5) has an example");
  auto table = std::make_unique<Table>(TableReader(path, "pvcd").read());
  check_shared(*table);
  return table;
}

std::unique_ptr<Table> load_plugin(const fs::path& config_directory, const std::string& plugin, const Table& shared) {
  const fs::path path = config_directory / "plugins.d" / (plugin + ".toml");
  auto table = std::make_unique<Table>(TableReader(path, plugin).read());
  check_plugin(plugin, *table, shared);
  return table;
}

namespace {

// Of each key of pvcd.toml that names plugins.
std::set<std::string> named_plugins(const Table& shared) {
  std::set<std::string> plugins;
  for (const Key& key : config_keys()) {
    if (key.file != "pvcd" || key.form != Form::PluginName) continue;
    const std::string full = std::string(key.table) + "." + std::string(key.name);
    if (key.type == KeyType::List)
      for (const std::string& plugin : shared.list(full)) plugins.insert(plugin);
    else
      plugins.insert(shared.text(full));
  }
  return plugins;
}

}  // namespace

void check_config(const fs::path& config_directory, const std::string& plugin) {
  const auto shared = load_shared(config_directory);
  std::set<std::string> plugins = named_plugins(*shared);
  if (!plugin.empty()) {
    if (!is_known_plugin(plugin)) throw Error("there is no plugin \"" + plugin + "\"");
    plugins.insert(plugin);
  }
  const fs::path directory = config_directory / "plugins.d";
  if (fs::exists(directory))
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() != ".toml") continue;
      const std::string name = entry.path().stem();
      if (!is_known_plugin(name))
        throw Error(entry.path().string() + ": there is no plugin \"" + name + "\": rename or remove the file");
      plugins.insert(name);
    }
  for (const std::string& each : plugins) load_plugin(config_directory, each, *shared);
}

std::optional<int> run_config_option(int argc, const char* const* argv) {
  const std::string_view option = argc >= 2 ? argv[1] : "";
  if (option == "--print-config-keys" && argc == 2) {
    std::cout << print_config_keys();
    return EXIT_SUCCESS;
  }
  if (option != "--check-config" || argc > 3) return std::nullopt;
  try {
    check_config(names::config_directory(), argc == 3 ? argv[2] : "");
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace pvcd::runtime
