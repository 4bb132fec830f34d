// Evidence without a BMC (design, kind 4): the clients of a lost host are shut out of Ceph, and every OSD is seen to
// know it. The host may live on and never notice; what matters is that it cannot write. Only where its BMC gives no
// answer: a host that is off harms nobody, one that is shut out has guests that see errors.

#include <algorithm>

#include "logic/round.hpp"

namespace pvcd::logic {
namespace {

constexpr const char* key_prefix = "storage/";

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
std::string objection_to(const ClusterView& view, const NodeRecord& node, const Targets& targets) {
  if (targets.addresses.empty()) return "no storage address of it is recorded";
  for (const std::string& address : targets.addresses)
    for (const auto& [name, other] : view.nodes) {
      const bool moves = has(other.value.floating_addresses, address);
      const bool is_its = has(other.value.storage_addresses, address) || has(other.value.addresses, address);
      if (moves || (is_its && name != node.name))
        return "its storage address " + address + " is one of " + name + (moves ? " that may move" : ", too");
    }
  return {};
}

void fail(const Round& round, PowerHistory& history, const std::string& why) {
  StorageHistory& storage = history.storage;
  storage.failures++;
  storage.not_before = round.in.now + back_off(round.settings, storage.failures);
  storage.note = "its disks could not be taken away: " + why;
  history.note = storage.note;
}

}  // namespace

bool storage_is_due(const Round& round, const PowerHistory& history, Health state) {
  if (!round.in.primary || state != Health::Lost) return false;
  return history.storage.began ||
         (!history.answers && history.silent_reads + history.failures >= round.settings.bmc_failures_enough);
}

void fence_storage(Round& round, const NodeRecord& node, PowerHistory& history) {
  StorageHistory& storage = history.storage;
  const std::string key = key_prefix + node.name;
  if (round.in.now < storage.not_before || round.is_under_way(key)) return;
  Targets targets = targets_of(round.view(), node);
  if (const std::string no = objection_to(round.view(), node, targets); !no.empty()) return fail(round, history, no);
  storage.began = true;
  const Seen<FenceRecord>& fence = round.view().fences.at(node.name);
  const std::string because =
      "its BMC gives no answer; what it might still write to is " + std::to_string(targets.images.size()) + " images";
  round.plan(
      FenceStorage{key, history.victim, std::move(targets.addresses), std::move(targets.instances),
                   std::move(targets.images), round.view().leader->value.epoch, fence.version, history.live_counter},
      {"shut " + node.name + " out of its disks", because, history.facts, {}});
}

// Of each image that it might write to.
bool storage_is_proven(const Round& round, const NodeRecord& node, const PowerHistory& history) {
  if (history.storage.facts.empty()) return false;
  const auto images = targets_of(round.view(), node).images;
  return std::all_of(images.begin(), images.end(),
                     [&](const std::string& image) { return has(history.storage.images, image); });
}

void note_storage_act(Round& round, const StorageActed& acted) {
  auto found = round.next.power.find(acted.victim.node);
  if (found == round.next.power.end()) return;
  PowerHistory& history = found->second;
  if (acted.victim != history.victim || acted.asked_at < history.began) return;  // it is about an earlier reason
  if (acted.answer.outcome != Outcome::Done) return fail(round, history, acted.answer.note);
  history.storage.images = acted.answer.images;
  history.storage.facts = acted.answer.facts;
}

bool still_holds(const FenceStorage& act, const ClusterView& view) {
  return still_holds(PowerOff{{}, act.victim, {}, act.epoch, act.fence_version, act.live_counter}, view);
}

}  // namespace pvcd::logic
