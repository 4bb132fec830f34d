#include "ages.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace pvcd::keepalive {
namespace {

constexpr std::size_t name_bytes_max = 32;
constexpr std::array<std::string_view, 4> known_states = {"starting", "running", "shutdown", "stalled"};

bool is_unit_name(const std::string& name) {
  auto allowed = [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-';
  };
  return !name.empty() && name.size() <= name_bytes_max && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

bool Ages::accept(AgeReport report, Instant now) {
  if (!is_unit_name(report.unit) || report.note.size() > note_bytes_max) return false;
  if (std::find(known_states.begin(), known_states.end(), report.state) == known_states.end()) return false;
  if (!heard_.contains(report.unit) && heard_.size() >= units_max) return false;
  if (report.unit == "core") {
    if (report.state == "running") daemon_state_ = DaemonState::Run;
    if (report.state == "shutdown") daemon_state_ = DaemonState::Shutdown;
  }
  auto unit = report.unit;
  heard_.insert_or_assign(std::move(unit), Heard{std::move(report), now});
  return true;
}

void Ages::begin(DaemonState first_word) {
  if (daemon_state_ == DaemonState::Init) daemon_state_ = first_word;
}

void Ages::resume(const LiveRecord& before, Instant now) {
  begin(before.daemon_state);
  for (const auto& [name, unit] : before.units)
    heard_.try_emplace(name, Heard{{name, unit.state, unit.note}, now > unit.age ? now - unit.age : 0});
}

std::map<std::string, UnitReport> Ages::units(Instant now) const {
  std::map<std::string, UnitReport> units;
  for (const auto& [name, heard] : heard_)
    units[name] = {heard.report.state, now > heard.at ? now - heard.at : 0, heard.report.note};
  return units;
}

}  // namespace pvcd::keepalive
