// The table of every configuration key. One row is one key: what config.cpp checks, what a default is, what the man
// page says (a test compares them).
#include <string>
#include <utility>

#include "runtime/config.hpp"

namespace pvcd::runtime {

namespace {

using List = std::vector<std::string>;

Key text(std::string_view file, std::string_view table, std::string_view name, Need need, const char* fallback,
         std::string_view doc, Form form = Form::Any) {
  return {file, table, name, KeyType::Text, need, std::string(fallback), 0, 0, "", doc, form, Role::None};
}

Key list(std::string_view file, std::string_view table, std::string_view name, Need need, List fallback,
         std::string_view doc) {
  return {file, table, name, KeyType::List, need, std::move(fallback), 0, 0, "", doc, Form::Any, Role::None};
}

Key number(std::string_view file, std::string_view table, std::string_view name, std::int64_t fallback,
           std::int64_t minimum, std::int64_t maximum, std::string_view unit, std::string_view doc) {
  return {file,    table, name, KeyType::Number, Need::Default, fallback, minimum,
          maximum, unit,  doc,  Form::Any,       Role::None};
}

Key form(Key key, Form wanted) {
  key.form = wanted;
  return key;
}

Key plugin_with(Role role, Key key) {
  key.form = Form::PluginName;
  key.role = role;
  return key;
}

constexpr std::string_view ms = "ms";
constexpr std::int64_t minute_ms = 60 * 1000;

const Key keys[] = {
    form(text("pvcd", "cluster", "name", Need::Required, "", "Name of the cluster; part of its path in the store."),
         Form::NodeName),
    form(list("pvcd", "cluster", "coordinators", Need::Required, {}, "Nodes that may be primary: 1, 3 or 5."),
         Form::NodeName),

    number("pvcd", "cluster", "beat_port", 7906, 1, 65535, "",
           "UDP port of the coordinators for the heartbeats beside the store; the same on all nodes."),

    form(text("pvcd", "node", "name", Need::Required, "", "Name of this node, unique in the cluster."), Form::NodeName),
    form(list("pvcd", "node", "addresses", Need::Required, {}, "IP addresses of this node, its own ones only."),
         Form::Address),
    form(list("pvcd", "node", "storage_addresses", Need::Required, {},
              "IP addresses that Ceph sees clients of this node as; never a floating address."),
         Form::Address),
    form(list("pvcd", "node", "floating_addresses", Need::Optional, {}, "IP addresses that may move between nodes."),
         Form::Address),
    text("pvcd", "node", "system_uuid", Need::Optional, "",
         "System UUID, where the firmware shows none or its BMC another.", Form::Uuid),

    form(list("pvcd", "store", "servers", Need::Required, {}, "ZooKeeper servers, host:port; IPv6 as [address]:port."),
         Form::Server),
    number("pvcd", "store", "session_timeout_ms", 6000, 2000, 10 * minute_ms, ms,
           "T: a node whose session is silent for so long has lost it."),
    number("pvcd", "store", "server_tick_ms", 400, 50, minute_ms, ms, "tickTime of the ZooKeeper servers."),
    number("pvcd", "store", "server_sync_limit", 4, 1, 100, "ticks", "syncLimit of the ZooKeeper servers."),
    number("pvcd", "store", "server_election_ms", 1000, 100, minute_ms, ms,
           "How long the ZooKeeper servers need to elect a leader."),
    text("pvcd", "store", "credentials_file", Need::Required, "", "File with user:password of the store, mode 0600.",
         Form::CredentialsFile),

    number("pvcd", "timings", "decision_limit_ms", 10000, 3000, 10 * minute_ms, ms,
           "A primary whose last decision is older relinquishes."),
    number("pvcd", "timings", "suspect_after_ms", 2500, 500, 10 * minute_ms, ms,
           "A node whose counter stands still for so long is suspect: evidence is gathered."),
    number("pvcd", "timings", "plugin_stall_limit_ms", 15000, 1000, 10 * minute_ms, ms,
           "A plugin whose call lasts longer is stalled: systemd restarts it."),
    number("pvcd", "timings", "hook_deadline_ms", 10000, 500, 10 * minute_ms, ms, "A pre-start hook's time to answer."),
    number("pvcd", "timings", "fence_deadline_ms", 30000, 1000, 10 * minute_ms, ms,
           "Time for one attempt to fence; at least timeout_ms of the plugins that do it."),
    number("pvcd", "timings", "shutdown_timeout_ms", 180000, 1000, 24 * 60 * minute_ms, ms,
           "A guest that was asked to shut down is turned off after it."),
    number("pvcd", "timings", "retry_min_ms", 1000, 100, 10 * minute_ms, ms,
           "First pause before something is tried again."),
    number("pvcd", "timings", "retry_max_ms", 60000, 100, 60 * minute_ms, ms,
           "Longest pause; each is twice the one before."),

    plugin_with(Role::PreStartHook, list("pvcd", "hooks", "vm_pre_start", Need::Default, {"rbd-locks"},
                                         "Plugins that are asked, in this order, before a VM starts.")),
    plugin_with(Role::RoleHook,
                list("pvcd", "hooks", "role", Need::Default, {}, "Plugins that acknowledge takeover and relinquish.")),

    plugin_with(Role::Fencer, text("pvcd", "fencing", "fencer", Need::Default, "ipmi",
                                   "Plugin that reads and switches the power of nodes.")),
    plugin_with(Role::StorageFencer, text("pvcd", "fencing", "storage_fencer", Need::Default, "rbd-locks",
                                          "Plugin that takes the disks away from a node whose BMC gives no answer.")),
    text("pvcd", "self_fence", "mode", Need::Default, "off",
         "\"watchdog\": a watchdog cuts this host when it cannot prove itself any more; \"off\": it runs on."),
    text("pvcd", "self_fence", "device", Need::Default, "/dev/watchdog0", "The watchdog, which nothing else may use."),
    number(
        "pvcd", "self_fence", "timeout_ms", 10000, 2000, 10 * minute_ms, ms,
        "W: so long after its last chance to prove itself the host is off; the device is set to half of it, in whole "
        "seconds."),
    plugin_with(Role::Hypervisor,
                text("pvcd", "hypervisor", "plugin", Need::Default, "libvirt", "Plugin that runs the VMs.")),
    plugin_with(Role::StorageObserver, text("pvcd", "storage", "plugin", Need::Default, "ceph-osd",
                                            "Plugin that the primary asks for the figures of OSDs, pools and health.")),
    number("pvcd", "storage", "interval_ms", 10000, 1000, 60 * minute_ms, ms,
           "Time from one question for these figures to the next."),

    form(list("pvcd", "storage", "shared_directories", Need::Optional, {},
              "Directories where all nodes have one file system: VMs with files there may move. Needs the hook "
              "shared-files."),
         Form::Directory),

    number(any_plugin, "", "interval_ms", 1000, 50, 60 * minute_ms, ms, "Pause between two rounds of the plugin."),
    number(any_plugin, "", "stall_limit_ms", 0, 0, 60 * minute_ms, ms,
           "For a plugin whose calls may last longer, as a role hook's, at least 1000; 0: [timings] "
           "plugin_stall_limit_ms."),

    number("ipmi", "", "cipher_suite", 17, 3, 17, "", "IPMI 2.0 cipher suite: 17, or 3 for old BMCs."),
    number("ipmi", "", "timeout_ms", 5000, 500, minute_ms, ms, "Limit of one call to a BMC."),
    text("ipmi", "bmc.*", "address", Need::Required, "", "Host name or IP address of the node's BMC."),
    number("ipmi", "bmc.*", "port", 623, 1, 65535, "", "UDP port."),
    text("ipmi", "bmc.*", "username", Need::Required, "", "User with the right to switch the power."),
    text("ipmi", "bmc.*", "password_file", Need::Required, "", "File with the password, mode 0600.", Form::SecretFile),
    text("ipmi", "bmc.*", "guid", Need::Optional, "", "GUID of the BMC, where the node shows no system UUID.",
         Form::Uuid),
    text("ipmi", "bmc.*", "identity", Need::Default, "guid",
         "By what the BMC is recognised: \"guid\", or \"mark\": the boot id that the node writes into it."),

    text("ceph-osd", "", "ceph_conf", Need::Default, "/etc/ceph/ceph.conf", "Configuration of the Ceph cluster."),
    text("ceph-osd", "", "ceph_client", Need::Default, "admin", "Ceph user without \"client.\"; needs to read only."),
    number("ceph-osd", "", "timeout_ms", 2000, 500, minute_ms, ms, "Limit of one command to Ceph."),

    text("rbd-locks", "", "ceph_conf", Need::Default, "/etc/ceph/ceph.conf", "Configuration of the Ceph cluster."),
    text("rbd-locks", "", "ceph_client", Need::Default, "admin", "Ceph user without \"client.\"; may blocklist."),
    number("rbd-locks", "", "timeout_ms", 5000, 500, minute_ms, ms, "Limit of one call to Ceph."),
    number("rbd-locks", "", "watch_timeout_ms", 30000, 1000, 10 * minute_ms, ms,
           "osd_client_watch_timeout of the Ceph cluster."),

    text("libvirt", "", "uri", Need::Default, "qemu:///system", "The libvirt daemon of this node."),

    text("fake", "", "script", Need::Optional, "", "Folder with the files that say what the fake plugin answers."),
};

const KnownPlugin plugins[] = {
    {"ceph-osd", {Role::StorageObserver}},
    {"election", {}},
    {"fake",
     {Role::Hypervisor, Role::PreStartHook, Role::Fencer, Role::StorageFencer, Role::RoleHook, Role::StorageObserver}},
    {"ipmi", {Role::Fencer}},
    {"keepalive", {}},
    {"libvirt", {Role::Hypervisor}},
    {"rbd-locks", {Role::PreStartHook, Role::StorageFencer}},
    {"shared-files", {Role::PreStartHook}},
    {"template", {}},
};

std::string_view name_of(KeyType type) {
  switch (type) {
    case KeyType::Text:
      return "text";
    case KeyType::Number:
      return "number";
    case KeyType::List:
      return "list";
  }
  return "";
}

std::string printed(const Value& value) {
  if (const auto* text_value = std::get_if<std::string>(&value)) return *text_value;
  if (const auto* number_value = std::get_if<std::int64_t>(&value)) return std::to_string(*number_value);
  std::string joined;
  for (const std::string& item : std::get<List>(value)) joined += (joined.empty() ? "" : ",") + item;
  return joined;
}

std::string printed_default(const Key& key) {
  switch (key.need) {
    case Need::Required:
      return "required";
    case Need::Optional:
      return "optional";
    case Need::Default:
      return printed(key.fallback);
  }
  return "";
}

}  // namespace

std::span<const Key> config_keys() { return keys; }
std::span<const KnownPlugin> known_plugins() { return plugins; }

std::string print_config_keys() {
  std::string result;
  for (const Key& key : keys) {
    const bool ranged = key.type == KeyType::Number;
    for (const std::string& part :
         {std::string(key.file), std::string(key.table), std::string(key.name), std::string(name_of(key.type)),
          printed_default(key), ranged ? std::to_string(key.minimum) : "", ranged ? std::to_string(key.maximum) : "",
          std::string(key.unit)})
      result += part + "\t";
    result += std::string(key.doc) + "\n";
  }
  return result;
}

}  // namespace pvcd::runtime
