#include "logic/units.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

constexpr const char* core_unit = "core";

}  // namespace

bool has_shared_files(const VmRecord& vm) { return std::ranges::count(vm.disks, DiskKind::Shared, &Disk::kind) > 0; }

UnitNeeds needs_of(const VmRecord& vm, UnitNeeds needs) {
  std::erase(needs.plugins, shared_files_hook);
  if (has_shared_files(vm)) needs.plugins.push_back(shared_files_hook);
  return needs;
}

std::string unit_name(const std::string& reported_as) {
  return reported_as == core_unit ? "pvcd.service" : "pvcd-" + reported_as + ".service";
}

std::string unit_problem(const UnitReport& report, Microseconds silent_after) {
  const std::string note = report.note.empty() ? "" : ": " + report.note;
  if (report.age > silent_after)
    return "has not reported for more than " + std::to_string(silent_after / seconds(1)) + " s" + note;
  return report.state == "running" ? "" : "is " + report.state + note;
}

std::string unit_objection(const LiveRecord& live, const std::string& name, Microseconds silent_after) {
  const auto report = live.units.find(name);
  if (report == live.units.end()) return unit_name(name) + " does not run";
  const std::string problem = unit_problem(report->second, silent_after);
  return problem.empty() ? "" : unit_name(name) + " " + problem;
}

std::string unit_objection(const LiveRecord& live, const UnitNeeds& needs) {
  std::string objection = unit_objection(live, core_unit, needs.silent_after);
  for (auto plugin = needs.plugins.begin(); objection.empty() && plugin != needs.plugins.end(); ++plugin)
    objection = unit_objection(live, *plugin, needs.silent_after);
  return objection;
}

}  // namespace pvcd::logic
