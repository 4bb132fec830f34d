#include "core/high_water.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "core/small_file.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {
namespace {

// A negative or broken number would be taken for a huge or another one.
std::uint64_t counted(const nlohmann::json& json) {
  if (!json.is_number_unsigned()) throw std::invalid_argument("'" + json.dump() + "' is no count");
  return json.get<std::uint64_t>();
}

logic::HighWaterMarks parse(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  logic::HighWaterMarks marks{
      json.at("cluster_id").get<std::string>(), counted(json.at("epoch")), json.value("primary", std::string()), {}};
  const auto& generations = json.at("generations");
  if (!generations.is_object()) throw std::invalid_argument("'generations' is no object");
  for (const auto& [uuid, generation] : generations.items()) marks.generations[uuid] = counted(generation);
  return marks;
}

}  // namespace

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

logic::HighWaterPlan HighWater::check(const logic::ClusterView& view, const NodeName& self) {
  logic::HighWaterPlan plan = logic::check_high_water(view, marks_, self);
  if (plan.next != marks_) {
    save(plan.next);
    marks_ = plan.next;
  }
  return plan;
}

void HighWater::save(const logic::HighWaterMarks& marks) const {
  const nlohmann::json json = {{"cluster_id", marks.cluster_id},
                               {"epoch", marks.epoch},
                               {"primary", marks.primary},
                               {"generations", marks.generations}};
  replace_small_file(file_, json.dump() + "\n");
}

}  // namespace pvcd::core
