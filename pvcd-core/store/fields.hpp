// The keys of every record and the words of every enum, once: encoder and decoder both go through these lists.
//
// required: absent or of another type is an error, because a decision may hang on it.
// optional: absent means the default of sdk/model.hpp. These are texts for people, lists that may be empty, figures
// that are only shown, and preferences, so that an entry of an older release can still be read.
#pragma once

#include "sdk/model.hpp"
#include "store/json.hpp"

namespace pvcd::store {

template <>
struct Words<DaemonState> {
  static constexpr std::pair<DaemonState, const char*> list[] = {
      {DaemonState::Unknown, "unknown"},   {DaemonState::Init, "init"},    {DaemonState::Run, "run"},
      {DaemonState::Shutdown, "shutdown"}, {DaemonState::Left, "left"},    {DaemonState::Stop, "stop"},
      {DaemonState::Dead, "dead"},         {DaemonState::Fenced, "fenced"}};
};
template <>
struct Words<CoordinatorState> {
  static constexpr std::pair<CoordinatorState, const char*> list[] = {
      {CoordinatorState::Unknown, "unknown"},     {CoordinatorState::Client, "client"},
      {CoordinatorState::Secondary, "secondary"}, {CoordinatorState::Takeover, "takeover"},
      {CoordinatorState::Primary, "primary"},     {CoordinatorState::Relinquish, "relinquish"}};
};
template <>
struct Words<WantedState> {
  static constexpr std::pair<WantedState, const char*> list[] = {
      {WantedState::Stopped, "stopped"}, {WantedState::Running, "running"}, {WantedState::Disabled, "disabled"}};
};
template <>
struct Words<VmState> {
  static constexpr std::pair<VmState, const char*> list[] = {
      {VmState::Unknown, "unknown"},     {VmState::Stopped, "stopped"},       {VmState::Starting, "starting"},
      {VmState::Running, "running"},     {VmState::Paused, "paused"},         {VmState::Stopping, "stopping"},
      {VmState::Migrating, "migrating"}, {VmState::Recovering, "recovering"}, {VmState::Failed, "failed"}};
};
template <>
struct Words<DiskKind> {
  static constexpr std::pair<DiskKind, const char*> list[] = {
      {DiskKind::Rbd, "rbd"}, {DiskKind::Shared, "shared"}, {DiskKind::Local, "local"}};
};
template <>
struct Words<CoverKind> {
  static constexpr std::pair<CoverKind, const char*> list[] = {
      {CoverKind::None, "none"},         {CoverKind::Release, "release"},
      {CoverKind::Power, "power"},       {CoverKind::LaterBoot, "later_boot"},
      {CoverKind::Operator, "operator"}, {CoverKind::Storage, "storage"},
      {CoverKind::Watchdog, "watchdog"}};
};
template <>
struct Words<EvidenceKind> {
  static constexpr std::pair<EvidenceKind, const char*> list[] = {{EvidenceKind::Power, "power"},
                                                                  {EvidenceKind::LaterBoot, "later_boot"},
                                                                  {EvidenceKind::Operator, "operator"},
                                                                  {EvidenceKind::Storage, "storage"},
                                                                  {EvidenceKind::Watchdog, "watchdog"}};
};
template <>
struct Words<LinkKind> {
  static constexpr std::pair<LinkKind, const char*> list[] = {{LinkKind::Assigned, "assigned"},
                                                              {LinkKind::Readopted, "readopted"},
                                                              {LinkKind::Started, "started"},
                                                              {LinkKind::Released, "released"}};
};
template <>
struct Words<FencePhase> {
  static constexpr std::pair<FencePhase, const char*> list[] = {
      {FencePhase::Intent, "intent"}, {FencePhase::Acting, "acting"}, {FencePhase::Confirmed, "confirmed"}};
};
template <>
struct Words<JobState> {
  static constexpr std::pair<JobState, const char*> list[] = {
      {JobState::Queued, "queued"}, {JobState::Running, "running"}, {JobState::Finished, "finished"}};
};
template <>
struct Words<JobResult> {
  static constexpr std::pair<JobResult, const char*> list[] = {
      {JobResult::None, "none"},         {JobResult::Done, "done"},       {JobResult::Failed, "failed"},
      {JobResult::Canceled, "canceled"}, {JobResult::Timeout, "timeout"}, {JobResult::Skipped, "skipped"},
      {JobResult::Refused, "refused"}};
};

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, Process> {
  visit.required("pid", record.pid);
  visit.required("start_time", record.start_time);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, ClientInstance> {
  visit.required("image", record.image);
  visit.required("address", record.address);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, Life> {
  visit.required("node", record.node);
  visit.required("boot", record.boot);
  visit.required("incarnation", record.incarnation);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, NodeRecord> {
  visit.required("name", record.name);
  visit.required("machine_id", record.machine_id);
  visit.required("system_uuid", record.system_uuid);
  visit.required("boot", record.boot);
  visit.required("incarnation", record.incarnation);
  visit.required("addresses", record.addresses);
  visit.required("storage_addresses", record.storage_addresses);
  visit.optional("floating_addresses", record.floating_addresses);
  visit.required("cpu_count", record.cpu_count);
  visit.required("memory_total", record.memory_total);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, UnitReport> {
  visit.required("state", record.state);
  visit.required("age", record.age);
  visit.optional("note", record.note);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, SelfFence> {
  visit.required("armed", record.armed);
  visit.required("after", record.after);
  visit.required("watchdog_timeout", record.watchdog_timeout);
  visit.optional("note", record.note);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, LiveRecord> {
  visit.required("node", record.node);
  visit.required("boot", record.boot);
  visit.required("incarnation", record.incarnation);
  visit.required("counter", record.counter);
  visit.required("daemon_state", record.daemon_state);
  visit.optional("memory_used", record.memory_used);
  visit.optional("memory_free", record.memory_free);
  visit.optional("cpu_load", record.cpu_load);
  visit.required("units", record.units);
  visit.optional("self_fence", record.self_fence);
  visit.optional("may_sleep", record.may_sleep);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, ReadinessRecord> {
  visit.required("boot", record.boot);
  visit.required("fence_ready", record.fence_ready);
  visit.optional("note", record.note);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, LeaderRecord> {
  visit.required("epoch", record.epoch);
  visit.required("node", record.node);
  visit.required("incarnation", record.incarnation);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, RoleRecord> {
  visit.required("state", record.state);
  visit.required("epoch", record.epoch);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, Disk> {
  visit.required("target", record.target);
  visit.required("kind", record.kind);
  visit.required("source", record.source);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, VmRecord> {
  visit.required("uuid", record.uuid);
  visit.required("name", record.name);
  visit.required("xml", record.xml);
  visit.required("wanted", record.wanted);
  visit.required("off_at_once", record.off_at_once);
  visit.required("home", record.home);
  visit.optional("node_limit", record.node_limit);
  visit.optional("priority", record.priority);
  visit.required("memory", record.memory);
  visit.required("vcpus", record.vcpus);
  visit.required("disks", record.disks);
  visit.optional("tags", record.tags);
  visit.optional("profile", record.profile);
  visit.optional("autostart", record.autostart);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, Writer> {
  visit.required("life", record.life);
  visit.required("generation", record.generation);
  visit.required("storage_addresses", record.storage_addresses);
  visit.required("instances", record.instances);
  visit.required("cover", record.cover);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, OwnerRecord> {
  visit.required("generation", record.generation);
  visit.required("owner", record.owner);
  visit.required("storage_addresses", record.storage_addresses);
  visit.required("released", record.released);
  visit.required("epoch", record.epoch);
  visit.required("former", record.former);
  visit.optional("failed_on", record.failed_on);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, FileSystem> {
  visit.required("path", record.path);
  visit.required("identity", record.identity);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, RunRecord> {
  visit.required("generation", record.generation);
  visit.required("life", record.life);
  visit.required("state", record.state);
  visit.optional("process", record.process);
  visit.required("instances", record.instances);
  visit.optional("reason", record.reason);
  visit.required("attempt", record.attempt);
  visit.optional("file_systems", record.file_systems);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, WaitingRecord> {
  visit.optional("reason", record.reason);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, EvidenceRecord> {
  visit.required("kind", record.kind);
  visit.required("life", record.life);
  visit.required("observer", record.observer);
  visit.required("epoch", record.epoch);
  visit.optional("facts", record.facts);
  visit.optional("images", record.images);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, Handover> {
  visit.required("from", record.from);
  visit.required("generation", record.generation);
  visit.required("cover", record.cover);
  visit.optional("evidence", record.evidence);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, LinkRecord> {
  visit.required("kind", record.kind);
  visit.required("generation", record.generation);
  visit.required("life", record.life);
  visit.required("epoch", record.epoch);
  visit.optional("process", record.process);
  visit.optional("handover", record.handover);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, FenceRecord> {
  visit.required("victim", record.victim);
  visit.required("phase", record.phase);
  visit.required("by", record.by);
  visit.required("epoch", record.epoch);
  visit.required("attempt", record.attempt);
  visit.optional("reason", record.reason);
  visit.optional("note", record.note);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, JobRecord> {
  visit.required("id", record.id);
  visit.required("type", record.type);
  visit.required("object", record.object);
  visit.optional("arguments", record.arguments);
  visit.required("started_on", record.started_on);
  visit.required("started_by_uid", record.started_by_uid);
  visit.required("state", record.state);
  visit.required("result", record.result);
  visit.optional("message", record.message);
  visit.optional("mark", record.mark);
  visit.optional("start_time", record.start_time);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, DecisionRecord> {
  visit.required("what", record.what);
  visit.required("because", record.because);
  visit.required("evidence", record.evidence);
  visit.required("rejected", record.rejected);
  visit.required("object", record.object);
  visit.required("inputs", record.inputs);
  visit.optional("follow_up", record.follow_up);
  visit.required("epoch", record.epoch);
  visit.required("node", record.node);
  visit.required("time", record.time);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, ClusterRecord> {
  visit.required("id", record.id);
  visit.required("name", record.name);
  visit.required("maintenance", record.maintenance);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, WitnessRecord> {
  visit.required("epoch", record.epoch);
  visit.required("behind", record.behind);
  visit.required("accepted", record.accepted);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, OsdFacts> {
  visit.required("id", record.id);
  visit.optional("uuid", record.uuid);
  visit.optional("node", record.node);
  visit.optional("device_class", record.device_class);
  visit.optional("state", record.state);
  visit.optional("up", record.up);
  visit.optional("in", record.in);
  visit.optional("primary_affinity", record.primary_affinity);
  visit.optional("crush_weight", record.crush_weight);
  visit.optional("reweight", record.reweight);
  visit.optional("utilization", record.utilization);
  visit.optional("variance", record.variance);
  visit.optional("pgs", record.pgs);
  visit.optional("size_bytes", record.size_bytes);
  visit.optional("used_bytes", record.used_bytes);
  visit.optional("available_bytes", record.available_bytes);
  visit.optional("read_ops", record.read_ops);
  visit.optional("write_ops", record.write_ops);
  visit.optional("read_bytes", record.read_bytes);
  visit.optional("write_bytes", record.write_bytes);
  visit.optional("commit_latency", record.commit_latency);
  visit.optional("apply_latency", record.apply_latency);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, PoolFacts> {
  visit.required("id", record.id);
  visit.optional("name", record.name);
  visit.optional("stored_bytes", record.stored_bytes);
  visit.optional("used_bytes", record.used_bytes);
  visit.optional("available_bytes", record.available_bytes);
  visit.optional("objects", record.objects);
  visit.optional("used_fraction", record.used_fraction);
  visit.optional("read_ops", record.read_ops);
  visit.optional("write_ops", record.write_ops);
  visit.optional("read_bytes", record.read_bytes);
  visit.optional("write_bytes", record.write_bytes);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, HealthCheck> {
  visit.required("name", record.name);
  visit.optional("severity", record.severity);
  visit.optional("sentence", record.sentence);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, HealthFacts> {
  visit.required("status", record.status);
  visit.optional("checks", record.checks);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, StorageRecord> {
  visit.required("cycle", record.cycle);
  visit.optional("age", record.age);
  visit.optional("note", record.note);
  visit.optional("health", record.health);
  visit.optional("pools", record.pools);
}

template <class Visit, class Record>
void visit_fields(Visit& visit, Record& record) requires is<Record, OsdPageRecord> {
  visit.required("osds", record.osds);
}

}  // namespace pvcd::store
