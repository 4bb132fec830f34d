// Every well-known string of pvcd: bus names, paths, interfaces, errors, polkit actions, journal fields and message
// ids, directories. Nothing else spells them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pvcd::runtime::names {

// ------------------------------------------------------------------------------------------------------------ public
// bus

inline constexpr const char* bus = "org.pvcd1";
inline constexpr const char* root_path = "/org/pvcd1";
inline constexpr const char* storage_path = "/org/pvcd1/storage";

inline constexpr const char* manager_interface = "org.pvcd1.Manager";
inline constexpr const char* node_interface = "org.pvcd1.Node";
inline constexpr const char* vm_interface = "org.pvcd1.Vm";
inline constexpr const char* osd_interface = "org.pvcd1.Osd";
inline constexpr const char* storage_interface = "org.pvcd1.Storage";
inline constexpr const char* job_interface = "org.pvcd1.Job";

bool is_node_name(std::string_view);  // a-z, 0-9 and - inside, at most 63 characters
bool is_uuid(std::string_view);       // 8-4-4-4-12 hexadecimal digits

// A node name has no "_" and a VM is a UUID, so "-" becomes "_" and back without loss.
std::string node_path(std::string_view node);
std::string vm_path(std::string_view uuid);
std::string osd_path(std::uint64_t id);
std::string job_path(std::uint64_t id);
std::optional<std::string> node_of_path(std::string_view path);
std::optional<std::string> vm_of_path(std::string_view path);

// ----------------------------------------------------------------------------------------------- internal: core -
// plugins

inline constexpr const char* plugin_path = "/org/pvcd1/plugin";
inline constexpr const char* plugin_interface = "org.pvcd1.Plugin";
inline constexpr const char* hypervisor_interface = "org.pvcd1.plugin.Hypervisor";
inline constexpr const char* storage_fencer_interface = "org.pvcd1.plugin.StorageFencer";
inline constexpr const char* pre_start_hook_interface = "org.pvcd1.plugin.PreStartHook";
inline constexpr const char* fencer_interface = "org.pvcd1.plugin.Fencer";
inline constexpr const char* role_hook_interface = "org.pvcd1.plugin.RoleHook";
inline constexpr const char* elector_interface = "org.pvcd1.plugin.Elector";
inline constexpr const char* storage_observer_interface = "org.pvcd1.plugin.StorageObserver";

std::string plugin_bus(std::string_view plugin);  // rbd-locks -> org.pvcd1.plugin.rbd_locks

// ----------------------------------------------------------------------------------------------------------------
// errors

namespace error {
inline constexpr const char* invalid_argument = "org.pvcd1.Error.InvalidArgument";
inline constexpr const char* not_found = "org.pvcd1.Error.NotFound";
inline constexpr const char* already_exists = "org.pvcd1.Error.AlreadyExists";
inline constexpr const char* not_primary = "org.pvcd1.Error.NotPrimary";
inline constexpr const char* busy = "org.pvcd1.Error.Busy";
inline constexpr const char* refused = "org.pvcd1.Error.Refused";
inline constexpr const char* unsafe = "org.pvcd1.Error.Unsafe";
inline constexpr const char* unavailable = "org.pvcd1.Error.Unavailable";
inline constexpr const char* timeout = "org.pvcd1.Error.Timeout";
inline constexpr const char* failed = "org.pvcd1.Error.Failed";
inline constexpr const char* access_denied = "org.freedesktop.DBus.Error.AccessDenied";
}  // namespace error

// ----------------------------------------------------------------------------------------------------------------
// polkit

namespace action {
inline constexpr const char* vm_control = "org.pvcd1.vm-control";
inline constexpr const char* vm_configure = "org.pvcd1.vm-configure";
inline constexpr const char* vm_migrate = "org.pvcd1.vm-migrate";
inline constexpr const char* node_maintain = "org.pvcd1.node-maintain";
inline constexpr const char* node_fence = "org.pvcd1.node-fence";
inline constexpr const char* lock_flush = "org.pvcd1.lock-flush";
inline constexpr const char* cluster_configure = "org.pvcd1.cluster-configure";
}  // namespace action

// ---------------------------------------------------------------------------------------------------------------
// journal

namespace field {
inline constexpr const char* plugin = "PVCD_PLUGIN";
inline constexpr const char* vm = "PVCD_VM";
inline constexpr const char* epoch = "PVCD_EPOCH";
inline constexpr const char* decision = "PVCD_DECISION";  // the decision record as JSON
inline constexpr const char* uid = "PVCD_UID";
inline constexpr const char* sender = "PVCD_SENDER";
inline constexpr const char* action = "PVCD_ACTION";
}  // namespace field

// `journalctl MESSAGE_ID=...` finds every event of one kind.
namespace message {
inline constexpr const char* decision = "b349d51b58b949baa300e48d392b15f4";
inline constexpr const char* takeover = "346ddd6130fe4de0a43dbd99628399c2";
inline constexpr const char* relinquish = "1c079451a7f242ecb17d0e861cba88d0";
inline constexpr const char* proof_lost = "6b1947dbc26d4916960a11a813ce9bae";
inline constexpr const char* proof_regained = "190d0b0c41c4413cafed984ee2f08cb1";
inline constexpr const char* store_behind = "5aec0166aace4920b06c47ed214bc0f7";
inline constexpr const char* authorization = "e019268fae464a0db11625581727ff88";
inline constexpr const char* plugin_stalled = "03b10cb610894965acd8abce9779d442";
inline constexpr const char* plugin_recovered = "29f121165a1b44e3b530085b383e111d";
}  // namespace message

// -----------------------------------------------------------------------------------------------------------
// directories The environment variable exists for tests; units never set it.

std::string config_directory();  // /etc/pvcd, PVCD_CONFIG_DIR
std::string plugin_directory();  // LIBDIR/pvcd/plugins, PVCD_PLUGIN_DIR
std::string run_directory();     // /run/pvcd, PVCD_RUN_DIR
std::string state_directory();   // /var/lib/pvcd, PVCD_STATE_DIR

}  // namespace pvcd::runtime::names
