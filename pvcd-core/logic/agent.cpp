#include "logic/agent.hpp"

#include <algorithm>

#include "logic/agent_vm.hpp"
#include "logic/liveness.hpp"
#include "logic/placement.hpp"

namespace pvcd::logic {
namespace {

std::set<VmUuid> concerned(const AgentInput& in) {
  std::set<VmUuid> uuids;
  for (const auto& [uuid, owner] : in.view.owners)
    if (owner.value.owner.node == in.self.node) uuids.insert(uuid);
  for (const auto& [uuid, run] : in.view.runs)
    if (run.value.life.node == in.self.node) uuids.insert(uuid);
  for (const auto& [uuid, state] : in.domains)
    if (in.view.vms.contains(uuid) && state != DomainState::Gone) uuids.insert(uuid);
  for (const auto& [id, job] : in.view.jobs)
    if (is_release_for(job.value, in.self.node)) uuids.insert(job.value.arguments.at("vm"));
  // A VM with a record that cannot be read is left alone: what is missing in the view may be what forbids the act.
  std::erase_if(uuids, [&](const VmUuid& uuid) {
    return !in.view.vms.contains(uuid) || in.view.broken.contains("/owners/" + uuid) ||
           in.view.broken.contains("/runs/" + uuid);
  });
  return uuids;
}

// A host that starts everything at once starts nothing soon: what matters most goes first, the rest as places get free.
std::set<VmUuid> turns_of(const AgentInput& in, const AgentSettings& settings, const std::set<VmUuid>& uuids,
                          AgentPlan& plan) {
  std::size_t taken = 0;
  std::vector<const VmRecord*> waiting;
  for (const VmUuid& uuid : uuids) {
    const AgentVm vm(in, settings, uuid, plan.next.vms[uuid], plan.actions);
    if (vm.is_starting())
      ++taken;
    else if (vm.wants_to_start())
      waiting.push_back(&in.view.vms.at(uuid).value);
  }
  std::sort(waiting.begin(), waiting.end(), matters_more);
  const std::size_t free = settings.starts_at_once - std::min(settings.starts_at_once, taken);
  if (waiting.size() > free) waiting.resize(free);
  std::set<VmUuid> turns;
  for (const VmRecord* vm : waiting) turns.insert(vm->uuid);
  return turns;
}

// A process that ended may have asked for a create, and libvirt be about to carry it out.
void expect_former_create(const AgentSettings& settings, AgentMemory& memory, const VmUuid& uuid) {
  VmMemory& vm = memory.vms[uuid];
  if (vm.looked_at == 0) vm.former_create_ends_at = *memory.began + settings.act_limit + create_settles;
}

}  // namespace

bool is_release_for(const JobRecord& job, const NodeName& node) {
  return job.type == "node-release-images" && job.object == node && job.state != JobState::Finished &&
         job.arguments.contains("vm");
}

AgentPlan decide_agent(const AgentInput& in, const AgentSettings& settings, const AgentMemory& memory) {
  AgentPlan plan{memory, {}};
  if (!plan.next.began) plan.next.began = in.now;
  for (const AgentAnswer& answer : in.answers) {
    auto found = plan.next.vms.find(answer.uuid);
    if (found == plan.next.vms.end()) continue;
    AgentVm vm(in, settings, answer.uuid, found->second, plan.actions);
    vm.take(answer.result);
  }
  // Destroying what is of the past needs no right to act and no libvirt; everything else does (S5).
  const bool declared_dead = evidence_about(in.view, in.self.boot) != nullptr;
  const bool may_begin = in.may_act && in.domains_ready;
  if (!in.view.complete || (!may_begin && !declared_dead)) return plan;
  const auto uuids = concerned(in);
  for (const VmUuid& uuid : uuids) expect_former_create(settings, plan.next, uuid);
  const auto turns = turns_of(in, settings, uuids, plan);
  for (const VmUuid& uuid : uuids) {
    AgentVm vm(in, settings, uuid, plan.next.vms[uuid], plan.actions);
    vm.advance(turns.contains(uuid));
  }
  std::erase_if(plan.next.vms, [&](const auto& one) { return !uuids.contains(one.first) && !one.second.under_way; });
  return plan;
}

}  // namespace pvcd::logic
