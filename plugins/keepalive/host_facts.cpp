#include "host_facts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sdk/plugin.hpp"

namespace pvcd::keepalive {
namespace {

constexpr const char* boot_id_file = "/proc/sys/kernel/random/boot_id";
constexpr const char* machine_id_file = "/etc/machine-id";
constexpr const char* system_uuid_file = "/sys/class/dmi/id/product_uuid";

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string whole(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string required_line(const char* path) {
  auto line = first_line(path);
  if (line.empty()) throw Error(std::string(path) + " cannot be read or is empty");
  return line;
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

// "MemTotal:       16316412 kB" in bytes; 0 if there is no such line.
std::uint64_t meminfo_value(std::string_view text, std::string_view key) {
  auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  at = text.find_first_not_of(' ', at + key.size());
  std::uint64_t kibibytes = 0;
  if (at != std::string_view::npos) std::from_chars(text.data() + at, text.data() + text.size(), kibibytes);
  return kibibytes * 1024;
}

bool is_number(const std::string& name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char letter) { return std::isdigit(letter); });
}

}  // namespace

HostFacts read_host_facts() {
  HostFacts facts;
  facts.boot = required_line(boot_id_file);
  facts.machine_id = required_line(machine_id_file);
  facts.system_uuid = lower_case(first_line(system_uuid_file));
  facts.cpu_count = static_cast<std::uint32_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  facts.memory_total = parse_meminfo(whole("/proc/meminfo")).total;
  return facts;
}

HostLoad read_host_load() {
  const auto memory = parse_meminfo(whole("/proc/meminfo"));
  HostLoad load;
  load.memory_free = memory.available;
  load.memory_used = memory.total > memory.available ? memory.total - memory.available : 0;
  double averages[1] = {0};
  if (::getloadavg(averages, 1) == 1) load.cpu_load = averages[0];
  return load;
}

MemoryInfo parse_meminfo(std::string_view text) {
  return {meminfo_value(text, "MemTotal:"), meminfo_value(text, "MemAvailable:")};
}

bool qemu_is_running() {
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error))
    if (is_number(at->path().filename()) && is_living_qemu(first_line(at->path() / "stat"))) return true;
  return false;
}

bool is_living_qemu(std::string_view stat_line) {
  const auto open = stat_line.find('(');
  const auto close = stat_line.rfind(')');  // the name itself may contain one
  if (open == std::string_view::npos || close == std::string_view::npos || close + 2 >= stat_line.size()) return false;
  const char state = stat_line[close + 2];
  const bool ended = state == 'Z' || state == 'X';
  return !ended && stat_line.substr(open + 1, close - open - 1).rfind("qemu-system", 0) == 0;
}

}  // namespace pvcd::keepalive
