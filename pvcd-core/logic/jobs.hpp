// Requests that take time: the table of their types, and (for the primary) what to do with each next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pvcd::logic {

enum class Target { Vm, Node };
enum class Executor { Primary, ObjectNode };  // who carries it out: the primary, or the node it names / the VM's node

struct JobType {
  std::string_view name;
  Target target;
  Executor executor;
};

inline constexpr JobType job_types[] = {
    {"vm-start", Target::Vm, Executor::Primary},
    {"vm-shutdown", Target::Vm, Executor::Primary},  // asks the guest; forced off after the shutdown timeout
    {"vm-stop", Target::Vm, Executor::Primary},      // off at once
    {"vm-disable", Target::Vm, Executor::Primary},
    {"vm-restart", Target::Vm, Executor::Primary},
    {"vm-undefine", Target::Vm, Executor::Primary},  // only when stopped and released
    {"vm-move", Target::Vm, Executor::Primary},      // argument "node": new home; a stopped VM only changes its home
    {"node-fence", Target::Node, Executor::Primary},
    {"node-confirm-off", Target::Node, Executor::Primary},  // argument "boot_id"
    {"node-verify-fence", Target::Node, Executor::Primary},
    {"node-become-primary", Target::Node, Executor::Primary},
    {"node-step-down", Target::Node, Executor::Primary},
    {"node-release-images", Target::Node,
     Executor::ObjectNode},  // argument "vm": break this node's own dead instances (rule 7)
};

const JobType* find_job_type(std::string_view name);

}  // namespace pvcd::logic
