#include "logic/explain.hpp"

#include <algorithm>

#include "logic/placement.hpp"
#include "logic/units.hpp"

namespace pvcd::logic {
namespace {

constexpr std::size_t names_told_max = 20;

using Sentences = std::vector<std::string>;

std::string in_seconds(Microseconds time) {
  return std::to_string(time / seconds(1)) + "." + std::to_string(time % seconds(1) / milliseconds(100)) + " s";
}

std::string few_of(const std::vector<std::string>& names) {
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < names_told_max; ++i) list += (i ? ", " : "") + names[i];
  if (names.size() > names_told_max) list += " and " + std::to_string(names.size() - names_told_max) + " more";
  return list;
}

std::string wish(const VmRecord& vm) {
  const std::string home = vm.home.empty() ? "" : ", home " + vm.home;
  switch (vm.wanted) {
    case WantedState::Running:
      return vm.name + " is meant to run (priority " + std::to_string(vm.priority) + home + ").";
    case WantedState::Disabled:
      return vm.name + " is disabled: it is started by nobody but a person.";
    case WantedState::Stopped:
      break;
  }
  return vm.name + " is meant to be stopped.";
}

const char* cover_text(CoverKind cover) {
  switch (cover) {
    case CoverKind::Release:
      return "which released it";
    case CoverKind::Power:
      return "which was proven off by its BMC";
    case CoverKind::LaterBoot:
      return "whose boot is over: the node runs a later one";
    case CoverKind::Operator:
      return "which an operator confirmed off";
    case CoverKind::Storage:
      return "which is shut out of its disks";
    case CoverKind::Watchdog:
      return "which its own watchdog has cut";
    case CoverKind::None:
      break;
  }
  return "which nothing covers";
}

void tell_liveness(const Situation& at, const NodeName& name, Sentences& said) {
  const std::string silent = in_seconds(silence(at.sights, name, at.now));
  switch (health(at.view, at.sights, name, at.now, at.settings.suspect_after)) {
    case Health::Alive:
      return said.push_back(name + " is alive: its heartbeat moved " + silent + " ago.");
    case Health::Suspect:
      return said.push_back(name + " is suspect: its session exists, but its heartbeat has not moved for " + silent +
                            ". Evidence is being gathered; nothing else follows from silence.");
    case Health::Lost:
      return said.push_back(name + " is lost: its session is gone. That is no proof that it cannot write any more.");
    case Health::Dead:
      return said.push_back(name + " is dead: there is evidence that its last boot can write no more.");
    case Health::Unknown:
      break;
  }
  said.push_back(name + ": it never joined, or its entry cannot be read.");
}

void tell_hiccups(const Situation& at, const NodeName& name, Sentences& said) {
  const std::size_t count = hiccups(at.sights, name, at.now);
  if (count == 0) return;
  const std::string times = count == 1 ? "once" : std::to_string(count) + " times";
  said.push_back(
      "Its heartbeat was away " + times + " within the last " + std::to_string(flapping_window / seconds(1)) + " s" +
      (is_flapping(at.sights, name, at.now) ? ": it is flapping, and no VM is placed on it until it is stable." : "."));
}

void tell_fence(const Situation& at, const NodeName& name, Sentences& said) {
  auto found = at.view.fences.find(name);
  if (found == at.view.fences.end()) return;
  const FenceRecord& fence = found->second.value;
  const std::string by = " by " + fence.by + " at epoch " + std::to_string(fence.epoch) + ": " + fence.reason + ".";
  switch (fence.phase) {
    case FencePhase::Intent:
      said.push_back("Fencing " + name + " is meant" + by);
      break;
    case FencePhase::Acting:
      said.push_back(name + " is being switched off" + by);
      break;
    case FencePhase::Confirmed:
      said.push_back(name + " was fenced" + by);
      break;
  }
  if (fence.phase != FencePhase::Confirmed && !fence.note.empty())
    said.push_back("The fence is not confirmed yet (attempt " + std::to_string(fence.attempt + 1) + "): " + fence.note +
                   ".");
}

void tell_evidence(const Situation& at, const BootId& boot, Sentences& said) {
  const EvidenceRecord* evidence = evidence_about(at.view, boot);
  if (!evidence) return;
  said.push_back("Evidence about boot " + boot + ", seen by " + evidence->observer + ":");
  for (const std::string& fact : evidence->facts) said.push_back("  " + fact + ".");
}

void tell_owner(const Situation& at, const OwnerRecord& owner, Sentences& said) {
  const std::string generation = "generation " + std::to_string(owner.generation);
  if (owner.released) {
    said.push_back(owner.owner.node + " released it at " + generation + ": nothing of it can write from there.");
  } else {
    said.push_back(owner.owner.node + " owns it at " + generation + ", assigned at epoch " +
                   std::to_string(owner.epoch) + " (boot " + owner.owner.boot + ").");
    tell_liveness(at, owner.owner.node, said);
    tell_fence(at, owner.owner.node, said);
    tell_evidence(at, owner.owner.boot, said);
  }
  if (!owner.failed_on.empty())
    said.push_back("It could not be started on " + few_of(owner.failed_on) + ": any other host is tried first.");
  for (const Writer& writer : owner.former)
    said.push_back("Before, at generation " + std::to_string(writer.generation) + ", it belonged to " +
                   writer.life.node + ", " + cover_text(writer.cover) + ".");
}

// Returns whether it runs.
bool tell_run(const Situation& at, const VmRecord& vm, const OwnerRecord& owner, Sentences& said) {
  auto found = at.view.runs.find(vm.uuid);
  if (found == at.view.runs.end() || found->second.value.generation != owner.generation) {
    if (!owner.released) said.push_back("It has not been started at this generation yet.");
    return false;
  }
  const RunRecord& run = found->second.value;
  const bool runs = run.state == VmState::Running && !owner.released;
  if (runs && run.process) said.push_back("It runs there as process " + std::to_string(run.process->pid) + ".");
  if (!run.reason.empty()) said.push_back("Its node said last: " + run.reason + ".");
  return runs;
}

// Why here and why not there.
void tell_places(const Situation& at, const VmRecord& vm, Sentences& said) {
  const Promises promises = promised_memory(at.view);
  for (const auto& [name, node] : at.view.nodes) {
    const std::string no = objection(at.view, vm, node.value, promises, at.sights, at.now, at.settings);
    const bool failed = has_failed_on(at.view, vm.uuid, name);
    const std::string yes =
        name + (failed ? " could take it, but " + vm.name + " could not be started there." : " could take it.");
    said.push_back(no.empty() ? yes : name + " is rejected: " + no + ".");
  }
}

}  // namespace

std::vector<std::string> explain_vm(const Situation& at, const VmUuid& uuid) {
  const VmRecord& vm = at.view.vms.at(uuid).value;
  Sentences said{wish(vm)};
  for (const char* directory : {"/owners/", "/runs/"})
    if (auto broken = at.view.broken.find(directory + uuid); broken != at.view.broken.end())
      said.push_back("It is left alone, because its entry " + broken->first + " cannot be read: " + broken->second +
                     ".");
  bool runs = false;
  auto owner = at.view.owners.find(uuid);
  if (owner == at.view.owners.end()) {
    said.push_back("No node ever owned it.");
  } else {
    tell_owner(at, owner->second.value, said);
    runs = tell_run(at, vm, owner->second.value, said);
  }
  if (runs || vm.wanted != WantedState::Running) return said;
  if (in_maintenance(at.view)) said.push_back("The cluster is in maintenance: VMs of lost nodes are not recovered.");
  tell_places(at, vm, said);
  return said;
}

std::vector<std::string> explain_node(const Situation& at, const NodeName& name) {
  const NodeRecord& node = at.view.nodes.at(name).value;
  Sentences said;
  tell_liveness(at, name, said);
  tell_hiccups(at, name, said);
  said.push_back("It is in boot " + node.boot + ", incarnation " + std::to_string(node.incarnation) + ".");
  if (const LeaderRecord* leader = primary_of(at.view); leader && leader->node == name)
    said.push_back("It is the primary, at epoch " + std::to_string(leader->epoch) + ".");
  tell_fence(at, name, said);
  tell_evidence(at, node.boot, said);
  if (auto readiness = at.view.readiness.find(name); readiness == at.view.readiness.end())
    said.push_back("Whether it can be fenced is not known yet.");
  else if (readiness->second.value.fence_ready)
    said.push_back("It can be fenced: its BMC answers.");
  else
    said.push_back("It could not be fenced now: " + readiness->second.value.note + ".");
  if (const Live* live = live_of(at.view, node))
    for (const auto& [unit, report] : live->value.units)
      if (const std::string problem = unit_problem(report, at.settings.needs.silent_after); !problem.empty())
        said.push_back("Its unit " + unit + " " + problem + ".");
  std::vector<std::string> names;
  for (const auto& [uuid, owner] : at.view.owners)
    if (auto vm = at.view.vms.find(uuid);
        vm != at.view.vms.end() && owner.value.owner.node == name && !owner.value.released)
      names.push_back(vm->second.value.name);
  said.push_back(names.empty() ? "It owns no VM." : "It owns " + few_of(names) + ".");
  return said;
}

}  // namespace pvcd::logic
