// One configuration for all runs: the defaults of runtime/config_keys.cpp, with shorter waits where the default would
// only make a run longer.
#pragma once

#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "logic/election.hpp"
#include "logic/units.hpp"

namespace pvcd::sim {

inline constexpr std::uint64_t gibibyte = 1ULL << 30;

inline constexpr Microseconds session_timeout = seconds(6);           // T
inline constexpr Microseconds proof_limit = session_timeout * 2 / 3;  // D
inline constexpr Microseconds heartbeat_interval = session_timeout / 6;
inline constexpr Microseconds decision_limit = seconds(10);
inline constexpr Microseconds hook_limit = seconds(10);
inline constexpr Microseconds answer_limit = seconds(30);
inline constexpr Microseconds watchdog_limit = seconds(15);  // a stopped process is killed and started again

inline constexpr Microseconds watchdog_device_timeout = seconds(5);

inline constexpr const char* shared_directory = "/net/vms";
inline constexpr const char* shared_file_system = "the shared one";

inline logic::AgentSettings agent_settings() {
  logic::AgentSettings settings;
  settings.hooks = {logic::shared_files_hook, "rbd-locks"};
  settings.shutdown_timeout = seconds(15);
  settings.retry_max = seconds(10);
  settings.act_limit = hook_limit;
  return settings;
}

inline logic::CoordinatorSettings coordinator_settings(std::vector<NodeName> coordinators) {
  logic::CoordinatorSettings settings;
  settings.coordinators = std::move(coordinators);
  settings.fence_deadline = seconds(20);
  settings.retry_max = seconds(10);
  settings.finished_job_kept = seconds(20);
  settings.storm_window = session_timeout;
  settings.return_wait = 2 * session_timeout;
  settings.shutdown_timeout = agent_settings().shutdown_timeout;
  settings.needs.plugins = {"libvirt", logic::shared_files_hook, "rbd-locks"};
  settings.storage_fencer = "rbd-locks";
  return settings;
}

inline logic::ElectionSettings election_settings(std::vector<NodeName> coordinators) {
  return {std::move(coordinators), decision_limit, seconds(5), 2 * session_timeout, session_timeout};
}

}  // namespace pvcd::sim
