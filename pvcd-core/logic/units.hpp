// The units that a node needs to run VMs, judged by what its keepalive publishes of them: a node whose keepalive lives
// and whose core or hypervisor does not is no place for a VM.
#pragma once

#include <string>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd::logic {

struct UnitNeeds {
  std::vector<std::string> plugins;         // the hypervisor first, then the pre-start hooks; the core is needed always
  Microseconds silent_after = seconds(10);  // a unit whose last report is older does not count any more
};

inline constexpr const char* elector_unit = "election";  // claims the role of the primary, and gives it back

// Looks at VMs with files in shared directories, and at no other (safety rule 12): what it hangs on is not their
// concern.
inline constexpr const char* shared_files_hook = "shared-files";
bool has_shared_files(const VmRecord&);
UnitNeeds needs_of(const VmRecord&, UnitNeeds);

std::string unit_name(const std::string& reported_as);  // "pvcd-libvirt.service"

// "is stalled: ..", "has not reported for ..: .."; empty: nothing is wrong.
std::string unit_problem(const UnitReport&, Microseconds silent_after);

// What is wrong with one of them, or with all that are needed, the unit named; empty: nothing.
std::string unit_objection(const LiveRecord&, const std::string& name, Microseconds silent_after);
std::string unit_objection(const LiveRecord&, const UnitNeeds&);

}  // namespace pvcd::logic
