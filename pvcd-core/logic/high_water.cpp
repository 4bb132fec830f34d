#include "logic/high_water.hpp"

#include <algorithm>

namespace pvcd::logic {
namespace {

const std::string words = "/witnesses/";

struct Lack {
  std::string what;  // empty: none
  Change proof;      // that the store still holds what was read: fails when the node has read something old
};

template <class Record>
Change still(const Key& key, const Seen<Record>* seen) {
  if (seen) return Check{key, seen->version};
  return Absent{key};
}

std::string name_of_primary(const ClusterView& view) {  // empty: none
  if (!view.leader || view.leader->value.node.empty()) return {};
  return view.leader->value.node + "." + std::to_string(view.leader->value.incarnation);
}

Lack lack_of_cluster(const ClusterView& view, const HighWaterMarks& marks) {
  if (view.cluster) return {};
  return {"the store has no cluster, this node has seen cluster " + marks.cluster_id, Absent{{Kind::Cluster, {}}}};
}

Lack lack_of_epoch(const ClusterView& view, const HighWaterMarks& marks) {
  const Epoch epoch = epoch_of(view);
  const Change proof = still(Key{Kind::Leader, {}}, view.leader ? &*view.leader : nullptr);
  if (epoch < marks.epoch)
    return {"the store is at epoch " + std::to_string(epoch) + ", this node has seen " + std::to_string(marks.epoch),
            proof};
  const std::string primary = name_of_primary(view);
  if (epoch > marks.epoch || primary.empty() || marks.primary.empty() || primary == marks.primary) return {};
  return {"the store has " + primary + " as primary of epoch " + std::to_string(epoch) + ", this node has seen " +
              marks.primary,
          proof};
}

Lack lack_of_generation(const ClusterView& view, const HighWaterMarks& marks) {
  for (const auto& [uuid, generation] : marks.generations) {
    const auto owner = view.owners.find(uuid);
    const bool is_there = owner != view.owners.end();
    if (!is_there && view.broken.contains("/owners/" + uuid)) continue;  // left alone by everybody
    const Generation stored = is_there ? owner->second.value.generation : 0;
    if (stored < generation)
      return {"the store has VM " + uuid + " at generation " + std::to_string(stored) + ", this node has seen " +
                  std::to_string(generation),
              still(Key{Kind::Owner, uuid}, is_there ? &owner->second : nullptr)};
  }
  return {};
}

Lack lack_of(const ClusterView& view, const HighWaterMarks& marks) {
  if (marks.cluster_id.empty()) return {};
  for (const auto look : {lack_of_cluster, lack_of_epoch, lack_of_generation})
    if (Lack lack = look(view, marks); !lack.what.empty()) return lack;
  return {};
}

// What an acceptance keeps: it is about what can be read.
HighWaterMarks unreadable_only(const ClusterView& view, const HighWaterMarks& marks) {
  HighWaterMarks kept;
  for (const auto& [uuid, generation] : marks.generations)
    if (view.broken.contains("/owners/" + uuid)) kept.generations[uuid] = generation;
  return kept;
}

// A VM's mark stays for ever, as its owner record does (transactions.cpp).
HighWaterMarks raised(HighWaterMarks marks, const ClusterView& view) {
  if (view.cluster) marks.cluster_id = view.cluster->value.id;
  const std::string primary = name_of_primary(view);
  if (epoch_of(view) > marks.epoch || !primary.empty()) marks.primary = primary;
  marks.epoch = epoch_of(view);
  for (const auto& [uuid, owner] : view.owners) marks.generations[uuid] = owner.value.generation;
  return marks;
}

// This and a foreign cluster concern this node alone: nobody else is told.
std::string unreadable(const ClusterView& view, const NodeName& self) {
  for (const std::string& path : {std::string("/cluster"), std::string("/leader"), words + self})
    if (view.broken.contains(path)) return "the store's " + path + " cannot be read";
  return {};
}

std::string other_cluster(const ClusterView& view, const HighWaterMarks& marks) {
  if (marks.cluster_id.empty() || !view.cluster || view.cluster->value.id == marks.cluster_id) return {};
  return "the store holds cluster " + view.cluster->value.id + ", this node belongs to " + marks.cluster_id +
         "; if it is to join that one, remove high-water.json from its disk";
}

std::string word_of_another(const ClusterView& view, const NodeName& self) {
  for (const auto& [name, witness] : view.witnesses)
    if (name != self && !witness.value.accepted) return name + " says: " + witness.value.behind;
  for (const auto& [path, wrong] : view.broken)
    if (const auto name = witness_of(path)) return "what " + *name + " says of the store cannot be read";
  return {};
}

}  // namespace

std::optional<NodeName> witness_of(const std::string& path) {
  return path.starts_with(words) ? std::optional(path.substr(words.size())) : std::nullopt;
}

HighWaterPlan check_high_water(const ClusterView& view, const HighWaterMarks& marks, const NodeName& self) {
  if (!view.complete) return {{}, marks, {}, {}};
  const Key key{Kind::Witness, self};
  const auto found = view.witnesses.find(self);
  const Seen<WitnessRecord>* word = found == view.witnesses.end() ? nullptr : &found->second;
  if (const std::string wrong = unreadable(view, self); !wrong.empty()) return {wrong, marks, {}, {}};
  // Of another epoch it is about another loss: it was in the data that the store was restored from.
  if (word && word->value.accepted && word->value.epoch == marks.epoch)
    return {word_of_another(view, self),
            raised(unreadable_only(view, marks), view),
            {Remove{key, word->version}},
            {"go on with the store as it is", "an operator has accepted it", {}, {}}};

  if (const std::string wrong = other_cluster(view, marks); !wrong.empty()) return {wrong, marks, {}, {}};
  const Lack lack = lack_of(view, marks);
  const bool is_said = word && !word->value.accepted;
  const bool is_said_of_this = is_said && word->value.epoch == marks.epoch;
  if (!lack.what.empty()) {
    HighWaterPlan plan{lack.what, marks, {}, {"say that the store is behind", lack.what, {}, {}}};
    if (is_said_of_this) return plan;
    plan.tell.push_back(lack.proof);
    // What others have planned under this version is refused from now on, though they have not read the word yet.
    if (view.leader) plan.tell.push_back(Put{{Kind::Leader, {}}, view.leader->value, view.leader->version});
    const auto replaces = word ? std::optional(word->version) : std::nullopt;
    plan.tell.push_back(Put{key, WitnessRecord{marks.epoch, lack.what, false}, replaces});
    return plan;
  }
  // What others wrote meanwhile has lifted the store to the marks: what it had lost is still lost.
  if (is_said) return {"this node has said: " + word->value.behind, marks, {}, {}};
  if (const std::string said = word_of_another(view, self); !said.empty()) return {said, marks, {}, {}};
  HighWaterPlan plan{{}, raised(marks, view), {}, {"forget what was accepted", "it was about another loss", {}, {}}};
  if (word) plan.tell.push_back(Remove{key, word->version});
  return plan;
}

Changes acceptance(const ClusterView& view) {
  Changes changes;
  LeaderRecord vacant{epoch_of(view), {}, 0};
  for (const auto& [path, wrong] : view.broken)
    if (const auto name = witness_of(path)) changes.push_back(Remove{{Kind::Witness, *name}, any_version});
  for (const auto& [name, witness] : view.witnesses) {
    if (witness.value.accepted) continue;
    WitnessRecord accepted = witness.value;
    accepted.accepted = true;
    changes.push_back(Put{{Kind::Witness, name}, accepted, witness.version});
    vacant.epoch = std::max(vacant.epoch, accepted.epoch);
  }
  if (changes.empty()) return changes;
  std::optional<Version> replaces;
  if (view.leader) replaces = view.leader->version;
  if (view.broken.contains("/leader")) replaces = any_version;
  changes.push_back(Put{{Kind::Leader, {}}, vacant, replaces});
  return changes;
}

}  // namespace pvcd::logic
