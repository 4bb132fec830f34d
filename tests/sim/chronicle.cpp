#include "chronicle.hpp"

namespace pvcd::sim {
namespace {

const std::string uuid_prefix = "uuid-";

template <class Record>
const Record* record(const Entry* entry) {
  return entry ? &std::get<Record>(entry->record) : nullptr;
}

const char* name_of(EvidenceKind kind) {
  constexpr const char* names[] = {"power", "later boot", "operator", "storage", "watchdog"};
  return names[static_cast<std::size_t>(kind)];
}

const char* name_of(JobResult result) {
  constexpr const char* names[] = {"none", "done", "failed", "canceled", "timeout", "skipped", "refused"};
  return names[static_cast<std::size_t>(result)];
}

std::string node_of_boot(const BootId& boot) {  // boot-n1-2
  const auto begin = boot.find('-') + 1;
  return boot.substr(begin, boot.rfind('-') - begin);
}

}  // namespace

std::string vm_name(const VmUuid& uuid) { return uuid.substr(uuid_prefix.size()); }
VmUuid vm_uuid(const std::string& name) { return uuid_prefix + name; }
std::string vm_of_image(const std::string& image) {
  const auto begin = image.find('/') + 1;
  return image.substr(begin, image.find('-', begin) - begin);
}

void Chronicle::changed(const NodeName& author, const Key& key, const Entry* before, const Entry* after) {
  if (!keeps) return;
  switch (key.kind) {
    case Kind::Node:
      if (after) note("join of " + key.name);
      return;
    case Kind::Session:
      if (!after) note("loss of " + key.name.substr(0, key.name.rfind('.')));
      return;
    case Kind::Leader: {
      const auto* now = record<LeaderRecord>(after);
      const auto* old = record<LeaderRecord>(before);
      if (now && !now->node.empty() && (!old || now->epoch > old->epoch)) note("claim by " + now->node);
      if (now && now->node.empty() && old && !old->node.empty()) note("vacancy of " + old->node);
      return;
    }
    case Kind::Fence:
      if (!after) return note("drop fence of " + key.name);
      if (const auto* old = record<FenceRecord>(before); !old || old->victim != record<FenceRecord>(after)->victim)
        note("fence of " + key.name + " by " + author);
      return;
    case Kind::Evidence: {
      if (!after) return note("drop evidence about " + node_of_boot(key.name));
      const auto* evidence = record<EvidenceRecord>(after);
      const std::string about = "evidence about " + evidence->life.node + " by " + author;
      note(about);
      return note(name_of(evidence->kind) + (" " + about));
    }
    case Kind::Witness:
      if (after && !record<WitnessRecord>(after)->accepted) note("witness of " + key.name);
      return;
    case Kind::Readiness:
      return note((record<ReadinessRecord>(after)->fence_ready ? "readiness of " : "doubt of readiness of ") +
                  key.name);
    case Kind::Owner: {
      const auto* old = record<OwnerRecord>(before);
      const auto* now = record<OwnerRecord>(after);
      if (!now) return;
      if (!old || now->generation > old->generation) note("assign " + vm_name(key.name) + " to " + now->owner.node);
      if (now->released && (!old || !old->released)) note("release " + vm_name(key.name) + " by " + author);
      return;
    }
    case Kind::Run: {
      const auto* old = record<RunRecord>(before);
      const auto* now = record<RunRecord>(after);
      if (now && !now->reason.empty() && now->attempt > (old ? old->attempt : 0))
        note("refuse " + vm_name(key.name) + " on " + author);
      else if (now && now->state == VmState::Starting && !now->reason.empty() && (!old || old->reason.empty()))
        note("delay of " + vm_name(key.name) + " on " + author);
      if (now && now->state == VmState::Failed && (!old || old->state != VmState::Failed))
        note("failure of " + vm_name(key.name) + " on " + author);
      if (old && now && old->state == VmState::Running && now->instances.size() > old->instances.size())
        note("record of a plugged disk of " + vm_name(key.name) + " by " + author);
      return;
    }
    case Kind::Waiting:
      if (after) note("wait of " + vm_name(key.name));
      return;
    case Kind::Vm:
      if (!after) note("removal of " + vm_name(key.name));
      return;
    case Kind::Job: {
      const auto* job = record<JobRecord>(after);
      if (!job || job->state != JobState::Finished) return;
      const bool about_vm = job->type.starts_with("vm-");
      note(job->type + " of " + (about_vm ? vm_name(job->object) : job->object) + " ends " + name_of(job->result));
      return;
    }
    default:
      return;
  }
}

}  // namespace pvcd::sim
