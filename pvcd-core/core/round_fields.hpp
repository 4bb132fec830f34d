// The members of everything that a round is made of, for its text. A member that is missing from its list does not
// compile: a structured binding names all of them. They are in the namespace of the encoder, which finds them there.
#pragma once

#include <string_view>

#include "logic/agent.hpp"
#include "logic/coordinator.hpp"
#include "logic/election.hpp"
#include "store/fields.hpp"

namespace pvcd::store {

template <class Visit, class... Members>
void visit_each(Visit& visit, std::string_view names, Members&... members) {
  const auto next = [&names] {
    const std::size_t end = std::min(names.find(','), names.size());
    const std::string name(names.substr(0, end));
    names.remove_prefix(std::min(names.find_first_not_of(", ", end), names.size()));
    return name;
  };
  (visit.required(next().c_str(), members), ...);
}

#define PVCD_MEMBERS(Type, ...)                                              \
  template <class Visit, class Whole>                                        \
  void visit_fields(Visit& visitor, Whole& whole) requires is<Whole, Type> { \
    auto& [__VA_ARGS__] = whole;                                             \
    visit_each(visitor, #__VA_ARGS__, __VA_ARGS__);                          \
  }

template <class Visit, class Record>
void visit_fields(Visit& visit, logic::Seen<Record>& seen) {
  visit.required("value", seen.value);
  visit.required("version", seen.version);
}
template <class Visit, class Record>
void visit_fields(Visit& visit, const logic::Seen<Record>& seen) {
  visit.required("value", seen.value);
  visit.required("version", seen.version);
}

// ------------------------------------------------------------------------------------------------- what is seen

PVCD_MEMBERS(logic::Live, value, version, session)
PVCD_MEMBERS(logic::ClusterView, cluster, leader, nodes, live, readiness, roles, vms, owners, runs, waiting, fences,
             evidence, witnesses, jobs, broken, complete)
PVCD_MEMBERS(logic::Decision, what, because, evidence, rejected)

// ------------------------------------------------------------------------------------------- plugins and their answers

PVCD_MEMBERS(Permit, not_after, epoch)
PVCD_MEMBERS(Answer, outcome, note)
PVCD_MEMBERS(DomainProbe, state, process, note)
PVCD_MEMBERS(ProbeRequest, permit, uuid, recorded)
PVCD_MEMBERS(CreateRequest, permit, uuid, xml, generation)
PVCD_MEMBERS(CreateAnswer, outcome, process, note)
PVCD_MEMBERS(DomainRequest, permit, uuid, process)
PVCD_MEMBERS(HookVerdict, verdict, reason, wait, wait_for, ask, elsewhere, present, file_systems)
PVCD_MEMBERS(FirstSeen, wait_for, ago)
PVCD_MEMBERS(VmStart, permit, uuid, generation, disks, self, own_addresses, own_dead, covered, living, first_seen,
             file_systems)
PVCD_MEMBERS(ImagesRequest, permit, disks, present, own_addresses, just_created)
PVCD_MEMBERS(PluggedImage, image, number)
PVCD_MEMBERS(Identified, outcome, instances, note)
PVCD_MEMBERS(VmStopped, permit, uuid, disks, own_dead, own_addresses)
PVCD_MEMBERS(PowerReading, state, guid, note)

// ----------------------------------------------------------------------------------------------------- the coordinator

PVCD_MEMBERS(logic::UnitNeeds, plugins, silent_after)
PVCD_MEMBERS(logic::CoordinatorSettings, coordinators, suspect_after, off_confirm_gap, read_interval, hurry,
             calm_read_interval, silent_read_wait, fence_deadline, storage_fencer, bmc_failures_enough, retry_min,
             retry_max, readiness_interval, finished_job_kept, fences_at_once, needs, shutdown_timeout,
             waiting_told_interval, waiting_told_at_once, storm_window, return_wait)
PVCD_MEMBERS(logic::Sight, incarnation, counter, first_seen, met, last_word, came_back, hiccups, heard)
PVCD_MEMBERS(logic::StorageHistory, began, images, facts, failures, not_before, note)
PVCD_MEMBERS(logic::PowerHistory, victim, began, resumed, live_version, live_counter, first_off, latest_off,
             off_accepted, attempt_began, read_at, next_read, proven, answers, silent_reads, fence_version,
             fence_changed, failures, not_before, note, facts, storage)
PVCD_MEMBERS(logic::ReadinessAsked, boot, at, failures)
PVCD_MEMBERS(logic::CoordinatorMemory::Promise, node, generation, limit)
PVCD_MEMBERS(logic::CoordinatorMemory, sights, fell_silent, in_storm, under_way, power, job_began, readiness_asked,
             job_finished, waiting, waiting_told, assigning)
PVCD_MEMBERS(StorageFenced, outcome, images, facts, note)
PVCD_MEMBERS(logic::StorageActed, victim, answer, asked_at)
PVCD_MEMBERS(logic::PowerRead, node, boot, reading, asked_at)
PVCD_MEMBERS(logic::PowerActed, victim, answer, asked_at, at)
PVCD_MEMBERS(logic::Done, key, outcome)
PVCD_MEMBERS(logic::Heard, incarnation, at)
PVCD_MEMBERS(logic::CoordinatorInput, view, self, primary, may_act, now, answers, heard)

PVCD_MEMBERS(logic::ReadPower, key, node, boot, system_uuid, routine)
PVCD_MEMBERS(logic::PowerOff, key, victim, system_uuid, epoch, fence_version, live_counter)
PVCD_MEMBERS(logic::FenceStorage, key, victim, addresses, instances, images, epoch, fence_version, live_counter)
PVCD_MEMBERS(logic::PutFence, key, record, replaces, node_version)
PVCD_MEMBERS(logic::DropFence, key, node, version)
PVCD_MEMBERS(logic::CommitEvidence, key, record, live_version, session, fence_version, fence, node_version, replaces)
PVCD_MEMBERS(logic::DropEvidence, key, boot, version)
PVCD_MEMBERS(logic::AssignVm, key, uuid, record, replaces, vm_version, relies_on, handover)
PVCD_MEMBERS(logic::TellWaiting, key, uuid, record, replaces)
PVCD_MEMBERS(logic::UpdateVm, key, record, version, job, job_version)
PVCD_MEMBERS(logic::RemoveVm, key, record, version, owner_version, run_version)
PVCD_MEMBERS(logic::UpdateJob, key, record, version)
PVCD_MEMBERS(logic::RemoveJob, key, id, version)
PVCD_MEMBERS(logic::PutReadiness, key, node, record, replaces)
PVCD_MEMBERS(logic::GiveUpRole, key, reason)
PVCD_MEMBERS(logic::CoordinatorAction, act, why)
PVCD_MEMBERS(logic::CoordinatorPlan, next, actions)

// -------------------------------------------------------------------------------------------------------- the election

PVCD_MEMBERS(logic::ElectionSettings, coordinators, decision_limit, preference_wait, hearing_wait, away_limit)
PVCD_MEMBERS(logic::Beat, version, seen_at)
PVCD_MEMBERS(logic::ElectionMemory, vacant, vacant_since, whole_at, joined, must_hear, back_since, beats)
PVCD_MEMBERS(logic::ElectionInput, view, self, now)
PVCD_MEMBERS(ClaimRequest, permit, self, leader_version, expected, holder_stale)
PVCD_MEMBERS(logic::ElectionPlan, next, claim)

// ----------------------------------------------------------------------------------------------------------- the agent

PVCD_MEMBERS(logic::AgentSettings, hooks, shutdown_timeout, retry_min, retry_max, act_limit, needs_watchdog,
             settled_after, starts_at_once)
PVCD_MEMBERS(logic::OwnWrite, run, owner, limit)
PVCD_MEMBERS(logic::VmMemory, step, goal, under_way, generation, hook, process, domain, present, proceeded, instances,
             unrecorded, doubted_at, looked_at, create_ends_at, former_create_ends_at, not_before, failures,
             shutdown_asked, shutdown_again, running_since, crashes, own_write, first_seen, note, reason, ask, refused,
             answered_job, releases_seen, failed_starts, gives_back, waits_for_turn, file_systems, plugged, plugging,
             plugged_tries, plugged_not_before)
PVCD_MEMBERS(logic::AgentMemory, began, vms)
PVCD_MEMBERS(logic::Written, ok, note)
PVCD_MEMBERS(logic::AgentAnswer, uuid, result)
PVCD_MEMBERS(logic::AgentInput, view, self, storage_addresses, may_act, stopping, domains, domains_ready, images, now,
             answers)

PVCD_MEMBERS(logic::Probe, request)
PVCD_MEMBERS(logic::RunHook, hook, request)
PVCD_MEMBERS(logic::CreateDomain, request)
PVCD_MEMBERS(logic::IdentifyInstances, hook, request)
PVCD_MEMBERS(logic::ResumeDomain, request)
PVCD_MEMBERS(logic::ShutdownDomain, request)
PVCD_MEMBERS(logic::DestroyDomain, request)
PVCD_MEMBERS(logic::AfterStop, hook, request)
PVCD_MEMBERS(logic::WriteRun, record, replaces, owner_version, owner, link, vm_version)
PVCD_MEMBERS(logic::AskRelease, node, vm)
PVCD_MEMBERS(logic::FinishJob, record, version)
PVCD_MEMBERS(logic::AgentAction, uuid, act, why)
PVCD_MEMBERS(logic::AgentPlan, next, actions)

#undef PVCD_MEMBERS

}  // namespace pvcd::store
