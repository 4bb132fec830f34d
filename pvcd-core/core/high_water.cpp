#include "core/high_water.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/small_file.hpp"
#include "sdk/plugin.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

// A negative or broken number would be taken for a huge or another one.
std::uint64_t counted(const nlohmann::json& json) {
  if (!json.is_number_unsigned()) throw std::invalid_argument("'" + json.dump() + "' is no count");
  return json.get<std::uint64_t>();
}

Marks parse(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  Marks marks{json.at("cluster_id").get<std::string>(), counted(json.at("epoch")), {}};
  const auto& generations = json.at("generations");
  if (!generations.is_object()) throw std::invalid_argument("'generations' is no object");
  for (const auto& [uuid, generation] : generations.items()) marks.generations[uuid] = counted(generation);
  return marks;
}

bool is_unreadable(const logic::ClusterView& view, const VmUuid& uuid) {
  return view.broken.contains(store::paths::under(store::paths::owners, uuid));
}

}  // namespace

std::string behind(const Marks& marks, const logic::ClusterView& view) {
  if (!view.complete || marks.cluster_id.empty()) return {};
  if (!view.cluster) return "the store has no cluster, this node has seen cluster " + marks.cluster_id;
  if (view.cluster->value.id != marks.cluster_id)
    return "the store holds cluster " + view.cluster->value.id + ", this node belongs to " + marks.cluster_id;
  const Epoch epoch = logic::epoch_of(view);
  if (epoch < marks.epoch)
    return "the store is at epoch " + std::to_string(epoch) + ", this node has seen " + std::to_string(marks.epoch);
  for (const auto& [uuid, generation] : marks.generations) {
    auto owner = view.owners.find(uuid);
    if (owner == view.owners.end() && is_unreadable(view, uuid)) continue;  // left alone by everybody
    const Generation stored = owner == view.owners.end() ? 0 : owner->second.value.generation;
    if (stored < generation)
      return "the store has VM " + uuid + " at generation " + std::to_string(stored) + ", this node has seen " +
             std::to_string(generation);
  }
  return {};
}

Marks raised(const Marks& marks, const logic::ClusterView& view) {
  Marks result;
  result.cluster_id = view.cluster ? view.cluster->value.id : marks.cluster_id;
  result.epoch = std::max(marks.epoch, logic::epoch_of(view));
  // The owner record outlives its VM (logic/transactions.cpp), so nothing is ever forgotten here.
  result.generations = marks.generations;
  for (const auto& [uuid, owner] : view.owners) result.generations[uuid] = owner.value.generation;
  return result;
}

HighWater::HighWater(std::string file) : file_(std::move(file)) {
  const auto text = read_small_file(file_);
  if (!text) return;
  try {
    marks_ = parse(*text);
  } catch (const std::exception& error) {
    throw Error(file_ + " is damaged (" + error.what() +
                "): it keeps this node from acting on an old store; restore it, or remove it if the store is known to "
                "be whole, and start pvcd.service again");
  }
}

std::string HighWater::check(const logic::ClusterView& view) {
  if (!view.complete) return {};
  const std::string wrong = behind(marks_, view);
  if (!wrong.empty()) return wrong;
  Marks next = raised(marks_, view);
  if (next == marks_) return {};
  save(next);
  marks_ = std::move(next);
  return {};
}

void HighWater::save(const Marks& marks) const {
  const nlohmann::json json = {
      {"cluster_id", marks.cluster_id}, {"epoch", marks.epoch}, {"generations", marks.generations}};
  replace_small_file(file_, json.dump() + "\n");
}

}  // namespace pvcd::core
