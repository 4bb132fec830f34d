// Evidence without a BMC: no client of a host can write any more, and every OSD is seen to know it. The blocklist entry
// is committed by the monitors and reaches each OSD in its own time; so one operation is sent to each placement group
// of the pools, with a map that has the entry. A placement group answers it only when it has that map or a newer one,
// and from then on refuses every operation of that host, also one that had been waiting in its queue.
#pragma once

#include "cluster.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"

namespace pvcd::rbd_locks {

// Throws pvcd::Error when Ceph fails.
StorageFenced shut_out(const Host&, const Cluster&, const StorageFenceRequest&);

// This host comes back in a boot of its own: the entries of its addresses are lifted (safety rule 2). Only with proof
// of the own session: nobody shuts out a host that has one. False: it was not shut out.
bool let_in(const Host&, const Cluster&, const Permit&);

}  // namespace pvcd::rbd_locks
