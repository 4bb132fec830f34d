// One round of the coordinator while it is being decided: shared by fencing, recovery and jobs. Nothing here outlives
// it.
#pragma once

#include <utility>

#include "logic/coordinator.hpp"

namespace pvcd::logic {

struct Round {
  const CoordinatorInput& in;
  const CoordinatorSettings& settings;
  CoordinatorMemory next;
  std::vector<CoordinatorAction> actions;

  const ClusterView& view() const { return in.view; }

  bool is_under_way(const std::string& key) const { return next.under_way.contains(key); }

  // Plans the act unless one with its key is under way.
  void plan(CoordinatorAct act, Decision why) {
    if (!next.under_way.insert(key_of(act)).second) return;
    actions.push_back({std::move(act), std::move(why)});
  }
};

// A person wants this boot of the node off: their job has been taken up and has not ended.
bool is_asked_off(const ClusterView&, const NodeRecord&);  // fencing.cpp

// Somebody means to switch this life of the node off and has not ended.
bool fence_is_open(const ClusterView&, const NodeRecord&);  // fencing.cpp

// Something was sent to it, or to its storage, that may still come late.
bool is_acted_upon(const Round&, const NodeName&);  // fencing.cpp

// Without a read for longer than one takes, nobody looked.
inline constexpr Microseconds read_hole_max = seconds(6);

// Of what failed so many times in a row.
Microseconds back_off(const CoordinatorSettings&, std::uint32_t failures);

// Its BMC has been given its chances, and its disks may be taken away instead.
bool storage_is_due(const Round&, const NodeRecord&, PowerHistory&, Health);  // storage_fence.cpp
std::string objection_to_addresses(const ClusterView&, const NodeRecord&);    // storage_fence.cpp
std::string objection_to_shutting_out(const ClusterView&, const NodeName& by, const NodeRecord&,
                                      const CoordinatorSettings&);  // storage_fence.cpp
void fence_storage(Round&, const NodeRecord&, PowerHistory&);       // storage_fence.cpp
void note_storage_act(Round&, const StorageActed&);                 // storage_fence.cpp

// What was read of it counts no more: it is looked at again before anything is sent on the strength of it.
void forget_reads(PowerHistory&);

// Ends an attempt to fence without success; the next one waits, longer each time.
void fail_attempt(PowerHistory&, const CoordinatorSettings&, Instant now, const std::string& note);

void note_who_fell_silent(Round&);  // storm.cpp
// The node vanished together with most others, not long ago: a sentence about that.
std::optional<std::string> storm_around(const Round&, const NodeName&);  // storm.cpp

void gather_evidence(Round&);  // fencing.cpp
void keep_readiness(Round&);   // readiness.cpp
void assign_vms(Round&);       // recovery.cpp
void tell_waiting(Round&);     // recovery.cpp: why those that are wanted and have no node do not get one
void drop_settled(Round&);     // recovery.cpp: fence and evidence records that nothing refers to any more
void carry_out_jobs(Round&);   // jobs.cpp

}  // namespace pvcd::logic
