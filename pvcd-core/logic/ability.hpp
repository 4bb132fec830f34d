// What a person asks for, judged before anything is written: does the plugin run that it needs, on a node that would do
// it now? The answer is what is missing, where, and what to do; empty: it can be tried. What begins by itself never
// asks this: it is not given up because a plugin is away (finding F14).
#pragma once

#include <string>

#include "logic/coordinator.hpp"

namespace pvcd::logic {

// A living victim is switched off by its BMC or not at all; a lost one may also be proven by Ceph or by its watchdog.
std::string objection_to_fence(const ClusterView&, const NodeRecord& victim, const std::string& fencer,
                               const CoordinatorSettings&);
std::string objection_to_verification(const ClusterView&, const std::string& fencer, const CoordinatorSettings&);

// Who leads gives the role back with its elector, who is to lead claims it with its own: without them the cluster would
// have no primary for nothing. `to`: one of them is enough.
std::string objection_to_handover(const ClusterView&, const std::vector<NodeName>& to, const UnitNeeds&);

// A start that is wanted already is not refused: asking again changes nothing. To be moved or restarted it must be
// stopped where it is; a move only says then whether that is possible, and the primary says which node can take it.
std::string objection_to_start(const ClusterView&, const VmRecord&, const UnitNeeds&);
std::string objection_to_restart(const ClusterView&, const VmRecord&, const UnitNeeds&);
// Only of the hypervisor, where a QEMU is on record: a hook that is away delays the release, not the guest's end, and a
// wish that has not come true can always be taken back.
std::string objection_to_stop(const ClusterView&, const VmRecord&, const UnitNeeds&);
std::string objection_to_move(const ClusterView&, const VmRecord&, const UnitNeeds&);

}  // namespace pvcd::logic
