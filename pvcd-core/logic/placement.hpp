// Which node may run a VM, and which is best: memory that is not promised to another VM, where it ran before a reboot,
// its home, last of all one that could not start it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logic/coordinator.hpp"

namespace pvcd::logic {

struct Placement {
  NodeName node;                      // empty: none
  NodeName awaited;                   // node empty: the host it ran on, which is starting
  NodeName otherwise;                 // where it goes if that does not come: room is kept for it
  std::vector<std::string> rejected;  // "n2: 3.1 GiB free, web1 needs 4.0 GiB", one per node that was not taken
};

// Bytes promised on a node. Kept over a round so that placements of one round see each other (finding F24).
struct Promised {
  std::uint64_t total = 0;      // to every VM assigned to it, running or not
  std::uint64_t not_taken = 0;  // to those that do not run yet: still counted in its free memory
  std::uint64_t kept = 0;       // for those that wait for the host they ran on; not from those that ran here
  bool unknown = false;         // to one whose record cannot be read: nobody knows how much
};
using Promises = std::map<NodeName, Promised>;
Promises promised_memory(const ClusterView&);
void promise(Promises&, const NodeName&, const VmRecord&, bool taken);
void keep_room(Promises&, const NodeName&, const VmRecord&);

// Of the reasons why nodes were not taken, the first few and how many more: for people.
std::string list_of(const std::vector<std::string>& rejected);

// A disk that only one host has pins the VM to it (rule 12): to its last owner, before that to its home if it has one.
// Of a shared one the hook says, on the host, whether it is the one that the VM ran on last.
bool is_pinned(const VmRecord&);
NodeName pinned_to(const ClusterView&, const VmRecord&);

// Among those that wait: higher priority first, then by name.
bool matters_more(const VmRecord*, const VmRecord*);

// The node has given it back because it could not create it: any other node is better.
bool has_failed_on(const ClusterView&, const VmUuid&, const NodeName&);

// Why the node cannot take the VM now; empty: it can.
std::string objection(const ClusterView&, const VmRecord&, const NodeRecord&, const Promises&, const Sights&,
                      Instant now, const CoordinatorSettings&);

// After a site has lost its power its hosts come back within seconds of each other, and the first one could take
// everything. While all hosts that could take a VM have sent no more heartbeats than this, five session timeouts, it
// waits for the one it ran on, if that has only to start yet. A host that was not off takes it at once.
inline constexpr std::uint64_t beats_while_booting = 30;

// `leaving`: where it is to go away from.
Placement place(const ClusterView&, const VmRecord&, const Promises&, const Sights&, Instant now,
                const CoordinatorSettings&, const NodeName& leaving = {});

}  // namespace pvcd::logic
