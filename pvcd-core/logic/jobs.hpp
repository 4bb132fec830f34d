// Requests that take time: the table of their types, and (for the primary) what to do with each next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd::logic {

enum class Target { Vm, Node };
enum class Executor { Primary, ObjectNode };  // who carries it out: the primary, or the node it names / the VM's node

// How long the primary lets a job go on, counted from when it first saw it. Longer than anything that is on its way:
// evidence may need a BMC to be repaired, a role hook may take an hour.
inline constexpr Microseconds answer_limit = seconds(10 * 60);
inline constexpr Microseconds evidence_limit = seconds(60 * 60);
inline constexpr Microseconds role_limit = seconds(2 * 60 * 60);

struct JobType {
  std::string_view name;
  Target target;
  Executor executor;
  Microseconds limit;
  bool asks_guest = false;  // which has its time to shut down besides
};

inline constexpr JobType job_types[] = {
    {"vm-start", Target::Vm, Executor::Primary, evidence_limit},
    {"vm-shutdown", Target::Vm, Executor::Primary, evidence_limit, true},  // forced off after the shutdown timeout
    {"vm-stop", Target::Vm, Executor::Primary, evidence_limit},            // off at once
    {"vm-disable", Target::Vm, Executor::Primary, evidence_limit, true},
    {"vm-restart", Target::Vm, Executor::Primary, evidence_limit, true},
    {"vm-undefine", Target::Vm, Executor::Primary, answer_limit},  // only when stopped and released
    // Argument "node": new home, empty: choose; a stopped VM only changes its home.
    {"vm-move", Target::Vm, Executor::Primary, evidence_limit, true},
    {"node-fence", Target::Node, Executor::Primary, evidence_limit},
    {"node-confirm-off", Target::Node, Executor::Primary, answer_limit},  // argument "boot_id"
    {"node-verify-fence", Target::Node, Executor::Primary, answer_limit},
    {"node-become-primary", Target::Node, Executor::Primary, role_limit},
    {"node-step-down", Target::Node, Executor::Primary, role_limit},
    // Argument "vm": break this node's own dead instances (rule 7).
    {"node-release-images", Target::Node, Executor::ObjectNode, evidence_limit},
};

const JobType* find_job_type(std::string_view name);

}  // namespace pvcd::logic
