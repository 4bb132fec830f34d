// Evidence without a BMC (design, kind 4): the clients of a lost host are shut out of Ceph, and every OSD is seen to
// know it. The host may live on and never notice; what matters is that it cannot write. Only where its BMC
// gives no answer, or does not do what it was told: a host that is off harms nobody, one that is shut out has guests
// that see errors.

#include <algorithm>

#include "logic/evidence.hpp"

namespace pvcd::logic {
namespace {

constexpr const char* key_prefix = "storage/";
constexpr std::uint32_t tries_for_all = 3;
constexpr std::size_t images_told_max = 8;  // in one record

struct Targets {
  std::vector<std::string> addresses;
  std::vector<ClientInstance> instances;
  std::vector<std::string> images;
};

template <class Item>
void add_once(std::vector<Item>& to, const Item& item) {
  if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
}

// What the records say of that boot, never who watches now: a frozen client has no watch and writes when it goes on.
Targets targets_of(const ClusterView& view, const NodeRecord& node) {
  Targets targets;
  for (const std::string& address : node.storage_addresses) add_once(targets.addresses, address);
  for (const auto& [uuid, owner] : view.owners) {
    if (owner.value.released || owner.value.owner.boot != node.boot) continue;
    for (const std::string& address : owner.value.storage_addresses) add_once(targets.addresses, address);
    if (auto vm = view.vms.find(uuid); vm != view.vms.end())
      for (const Disk& disk : vm->second.value.disks)
        if (disk.kind == DiskKind::Rbd) add_once(targets.images, disk.source);
    if (auto run = view.runs.find(uuid); run != view.runs.end())
      for (const ClientInstance& instance : run->second.value.instances) {
        add_once(targets.instances, instance);
        add_once(targets.images, instance.image);
      }
  }
  return targets;
}

bool has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// An address that may be another host's, now or later, would shut that one out.
std::string objection_to_addresses(const ClusterView& view, const NodeRecord& node,
                                   const std::vector<std::string>& addresses) {
  if (addresses.empty()) return "no storage address of it is recorded";
  for (const std::string& address : addresses)
    for (const auto& [name, other] : view.nodes) {
      const bool moves = has(other.value.floating_addresses, address);
      const bool is_its = has(other.value.storage_addresses, address) || has(other.value.addresses, address);
      if (moves || (is_its && name != node.name))
        return "its storage address " + address + " is one of " + name + (moves ? " that may move" : ", too");
    }
  return {};
}

// A VM that it owns could be started elsewhere for it: all disks are images of Ceph.
bool frees_anything(const ClusterView& view, const NodeRecord& node) {
  return std::any_of(view.owners.begin(), view.owners.end(), [&](const auto& owner) {
    auto vm = view.vms.find(owner.first);
    if (owner.second.value.released || owner.second.value.owner.boot != node.boot || vm == view.vms.end()) return false;
    const auto& disks = vm->second.value.disks;
    return !disks.empty() &&
           std::all_of(disks.begin(), disks.end(), [](const Disk& disk) { return disk.kind == DiskKind::Rbd; });
  });
}

// Of those that are not proven yet.
std::size_t under_way(const Round& round) {
  return static_cast<std::size_t>(std::count_if(round.next.power.begin(), round.next.power.end(), [&](const auto& one) {
    return one.second.storage.began && !evidence_about(round.view(), one.second.victim.boot);
  }));
}

std::string objection_to_fencer(const ClusterView& view, const NodeName& by, const CoordinatorSettings& settings) {
  const auto node = view.nodes.find(by);
  const Live* live = node == view.nodes.end() ? nullptr : live_of(view, node->second.value);
  if (settings.storage_fencer.empty() || !live) return {};
  const UnitNeeds needs{{settings.storage_fencer}, settings.needs.silent_after};
  const std::string no = unit_objection(live->value, needs);
  return no.empty() ? "" : "on " + by + " " + no;
}

// Before anything is announced: a fence that only waits is cancelled by the join of its victim (rule 4).
std::string objection_to(const Round& round, const NodeRecord& node) {
  if (std::string no = objection_to_shutting_out(round.view(), round.in.self.node, node, round.settings); !no.empty())
    return no;
  if (under_way(round) >= round.settings.fences_at_once)
    return std::to_string(round.settings.fences_at_once) + " others are being shut out: it waits for its turn";
  return {};
}

void fail(const Round& round, PowerHistory& history, const std::string& why) {
  StorageHistory& storage = history.storage;
  storage.failures++;
  storage.not_before = round.in.now + back_off(round.settings, storage.failures);
  storage.note = "its disks could not be taken away: " + why;
}

// Of each image that it might write to; after some tries of what is proven by then, so that one sick pool keeps no VM
// waiting whose disks are in others.
bool storage_is_proven(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  const StorageHistory& storage = history.storage;
  if (storage.facts.empty()) return false;
  const auto is_proven = [&](const std::string& image) { return has(storage.images, image); };
  const auto images = targets_of(round.view(), node).images;
  if (std::all_of(images.begin(), images.end(), is_proven)) return true;
  EvidenceRecord evidence;
  evidence.kind = EvidenceKind::Storage;
  evidence.images = storage.images;
  return storage.failures >= tries_for_all &&
         std::any_of(round.view().owners.begin(), round.view().owners.end(), [&](const auto& owner) {
           auto vm = round.view().vms.find(owner.first);
           return !owner.second.value.released && owner.second.value.owner.boot == node.boot &&
                  vm != round.view().vms.end() && covers(evidence, vm->second.value);
         });
}

bool shuts_it_out(const Round& round, const NodeRecord& node) {
  return fence_is_open(round.view(), node) && round.view().fences.at(node.name).value.by == round.in.self.node;
}

// Each disk is judged alone: what is left out covers no VM that has it (covers). The note is of the tries that failed.
std::vector<std::string> images_without_proof(const ClusterView& view, const NodeRecord& node,
                                              const StorageHistory& storage) {
  std::vector<std::string> said;
  for (const std::string& image : targets_of(view, node).images)
    if (!has(storage.images, image)) said.push_back("storage of " + image + ": " + storage.note);
  if (said.size() > images_told_max) {
    said.resize(images_told_max);
    said.push_back("storage of more images: as these");
  }
  return said;
}

}  // namespace

std::string objection_to_addresses(const ClusterView& view, const NodeRecord& node) {
  return objection_to_addresses(view, node, node.storage_addresses);
}

std::string objection_to_shutting_out(const ClusterView& view, const NodeName& by, const NodeRecord& node,
                                      const CoordinatorSettings& settings) {
  if (!frees_anything(view, node)) return "no VM of it has all its disks in Ceph";
  const Targets targets = targets_of(view, node);
  if (std::string no = objection_to_addresses(view, node, targets.addresses); !no.empty()) return no;
  return objection_to_fencer(view, by, settings);
}

bool storage_is_due(const Round& round, const NodeRecord& node, PowerHistory& history, Health state) {
  if (!round.in.primary || state != Health::Lost) return false;
  if (history.storage.began) return true;
  if (history.answers || history.silent_reads + history.failures < round.settings.bmc_failures_enough) return false;
  const std::string no = objection_to(round, node);
  history.storage.note = no.empty() ? "" : "its disks cannot be taken away: " + no;
  return no.empty();
}

void fence_storage(Round& round, const NodeRecord& node, PowerHistory& history) {
  StorageHistory& storage = history.storage;
  const std::string key = key_prefix + node.name;
  if (round.in.now < storage.not_before || round.is_under_way(key)) return;
  Targets targets = targets_of(round.view(), node);
  if (const std::string no = objection_to_addresses(round.view(), node, targets.addresses); !no.empty())
    return fail(round, history, no);
  storage.began = true;
  const Seen<FenceRecord>& fence = round.view().fences.at(node.name);
  const std::string because = "its BMC does not show it off; what it might still write to is " +
                              std::to_string(targets.images.size()) + " images";
  round.plan(
      FenceStorage{key, history.victim, std::move(targets.addresses), std::move(targets.instances),
                   std::move(targets.images), round.view().leader->value.epoch, fence.version, history.live_counter},
      {"shut " + node.name + " out of its disks", because, history.facts, {}});
}

Rung storage_rung(const Round& round, const NodeRecord& node, const PowerHistory& history, Health state) {
  const StorageHistory& storage = history.storage;
  Rung rung;
  rung.missing = storage.note.empty() ? "its disks have not been taken away" : storage.note;
  rung.available = state == Health::Lost && shuts_it_out(round, node) && storage_is_proven(round, node, history);
  if (!rung.available) return rung;
  rung.what = "take " + node.name + " for shut out of its disks";
  rung.because = "its BMC does not show it off, and no OSD takes a write of it any more";
  rung.facts = history.facts;
  rung.facts.insert(rung.facts.end(), storage.facts.begin(), storage.facts.end());
  rung.images = storage.images;
  rung.without = images_without_proof(round.view(), node, storage);
  return rung;
}

void note_storage_act(Round& round, const StorageActed& acted) {
  auto found = round.next.power.find(acted.victim.node);
  if (found == round.next.power.end()) return;
  PowerHistory& history = found->second;
  if (acted.victim != history.victim || acted.asked_at < history.began) return;  // it is about an earlier reason
  if (acted.answer.outcome != Outcome::Done) fail(round, history, acted.answer.note);
  if (acted.answer.outcome == Outcome::Refused) return;
  history.storage.images = acted.answer.images;
  history.storage.facts = acted.answer.facts;
}

bool still_holds(const FenceStorage& act, const ClusterView& view) {
  return still_holds(PowerOff{{}, act.victim, {}, act.epoch, act.fence_version, act.live_counter}, view);
}

}  // namespace pvcd::logic
