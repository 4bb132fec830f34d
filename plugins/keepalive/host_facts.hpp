// What this host is and how it is doing, from /proc, /sys and /etc. Nothing here can block: no disk is read but the
// machine id, once, at start.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/types.hpp"

namespace pvcd::keepalive {

struct HostFacts {
  BootId boot;
  std::string machine_id;
  std::string system_uuid;  // of the DMI, lower case; empty: the firmware shows none
  std::uint32_t cpu_count = 0;
  std::uint64_t memory_total = 0;
};
HostFacts read_host_facts();  // throws Error

struct HostLoad {
  std::uint64_t memory_used = 0;
  std::uint64_t memory_free = 0;  // what can be had without swapping
  double cpu_load = 0;            // of the last minute
};
HostLoad read_host_load();

struct MemoryInfo {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
};
MemoryInfo parse_meminfo(std::string_view text);

// A virtual machine runs on, whatever libvirt says: a living process of QEMU exists.
bool qemu_is_running();

// The line of /proc/<pid>/stat is that of a QEMU which has not ended. A killed process can stay a zombie for minutes.
bool is_living_qemu(std::string_view stat_line);

}  // namespace pvcd::keepalive
