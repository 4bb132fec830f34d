#include "core/objects/authorisation.hpp"

#include <algorithm>

#include "runtime/names.hpp"

namespace pvcd::core {
namespace {

using namespace runtime::names;

constexpr Rule table[] = {
    {manager_interface, "GetNode", Access::Open},
    {manager_interface, "GetVm", Access::Open},
    {manager_interface, "DryRun", Access::Open},
    {manager_interface, "Explain", Access::Open},
    {manager_interface, "DefineVm", Access::Action, action::vm_configure},
    {manager_interface, "SetMaintenance", Access::Action, action::cluster_configure},
    {manager_interface, "AcceptStore", Access::Action, action::cluster_configure},
    {manager_interface, "FlushImageLocks", Access::Action, action::lock_flush},

    {node_interface, "Drain", Access::Action, action::node_maintain},
    {node_interface, "Undrain", Access::Action, action::node_maintain},
    {node_interface, "BecomePrimary", Access::Action, action::node_maintain, "node-become-primary"},
    {node_interface, "StepDown", Access::Action, action::node_maintain, "node-step-down"},
    {node_interface, "Fence", Access::Action, action::node_fence, "node-fence"},
    {node_interface, "ConfirmOff", Access::Action, action::node_fence, "node-confirm-off"},
    {node_interface, "VerifyFence", Access::Action, action::node_fence, "node-verify-fence"},

    {vm_interface, "GetXml", Access::Open},
    {vm_interface, "Explain", Access::Open},
    {vm_interface, "Start", Access::Action, action::vm_control, "vm-start"},
    {vm_interface, "Shutdown", Access::Action, action::vm_control, "vm-shutdown"},
    {vm_interface, "Stop", Access::Action, action::vm_control, "vm-stop"},
    {vm_interface, "Restart", Access::Action, action::vm_control, "vm-restart"},
    {vm_interface, "Disable", Access::Action, action::vm_control, "vm-disable"},
    {vm_interface, "SynchronizeDisks", Access::Action, action::vm_control},
    {vm_interface, "Undefine", Access::Action, action::vm_configure, "vm-undefine"},
    {vm_interface, "Configure", Access::Action, action::vm_configure},
    {vm_interface, "Rename", Access::Action, action::vm_configure},
    {vm_interface, "SetXml", Access::Action, action::vm_configure},
    {vm_interface, "Move", Access::Action, action::vm_migrate, "vm-move"},
    {vm_interface, "Migrate", Access::Action, action::vm_migrate},
    {vm_interface, "Unmigrate", Access::Action, action::vm_migrate},
    {vm_interface, "FlushLocks", Access::Action, action::lock_flush},

    {job_interface, "Cancel", Access::OfJob},
};

}  // namespace

std::span<const Rule> rules() { return table; }

const Rule* find_rule(std::string_view interface, std::string_view method) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const Rule& rule) {
    return rule.interface == interface && rule.method == method;
  });
  return found == std::end(table) ? nullptr : found;
}

const char* action_of_job(std::string_view type) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const Rule& rule) { return !rule.job.empty() && rule.job == type; });
  return found == std::end(table) ? nullptr : found->action;
}

}  // namespace pvcd::core
