#include "core/rounds.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "core/round_fields.hpp"
#include "runtime/journal.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {
namespace {

using nlohmann::json;

constexpr int format = 1;
constexpr std::size_t rounds_kept = 500;
// Of the view; more would cost a round time that it does not have, and the disk hundreds of MiB.
constexpr std::size_t entries_max = 1000;
constexpr std::size_t xml_bytes_max = 512 * 1024;

// What there is of each of those who decide. The bindings name every member, so that none can be forgotten; the view,
// which an input only refers to, is read on its own.
struct Coordinator {
  static constexpr const char* name = "coordinator";
  using Settings = logic::CoordinatorSettings;
  using Memory = logic::CoordinatorMemory;

  static logic::CoordinatorInput read_input(const json& from, const logic::ClusterView& seen) {
    logic::CoordinatorInput in{seen, {}, false, false, 0, {}};
    auto& [view, self, primary, may_act, now, answers, heard] = in;
    store::Decoder decoder{from};
    store::visit_each(decoder, "self, primary, may_act, now, answers, heard", self, primary, may_act, now, answers,
                      heard);
    return in;
  }
  static logic::CoordinatorPlan decide(const logic::CoordinatorInput& in, const Settings& settings,
                                       const Memory& before) {
    return logic::decide_coordinator(in, settings, before);
  }
};

struct Agent {
  static constexpr const char* name = "agent";
  using Settings = logic::AgentSettings;
  using Memory = logic::AgentMemory;

  static logic::AgentInput read_input(const json& from, const logic::ClusterView& seen) {
    logic::AgentInput in{seen, {}, {}, false, false, {}, false, {}, 0, {}};
    auto& [view, self, storage_addresses, may_act, stopping, domains, domains_ready, images, now, answers] = in;
    store::Decoder decoder{from};
    store::visit_each(decoder,
                      "self, storage_addresses, may_act, stopping, domains, domains_ready, images, now, answers", self,
                      storage_addresses, may_act, stopping, domains, domains_ready, images, now, answers);
    return in;
  }
  static logic::AgentPlan decide(const logic::AgentInput& in, const Settings& settings, const Memory& before) {
    return logic::decide_agent(in, settings, before);
  }
};

struct Election {
  static constexpr const char* name = "election";
  using Settings = logic::ElectionSettings;
  using Memory = logic::ElectionMemory;

  static logic::ElectionInput read_input(const json& from, const logic::ClusterView& seen) {
    logic::ElectionInput in{seen, {}, 0};
    auto& [view, self, now] = in;
    store::Decoder decoder{from};
    store::visit_each(decoder, "self, now", self, now);
    return in;
  }
  static logic::ElectionPlan decide(const logic::ElectionInput& in, const Settings& settings, const Memory& before) {
    return logic::decide_election(in, settings, before);
  }
};

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json records_of(const std::vector<Carried>& steps) {
  json records = json::array();
  for (const Carried& step : steps)
    if (step.record) records.push_back(store::as_json(*step.record));
  return records;
}

template <class Role, class Input, class Plan>
std::string text_of(const Input& in, const typename Role::Settings& settings, const typename Role::Memory& before,
                    const Plan& plan, const Decider& decider, const std::vector<Carried>& steps) {
  const json whole = {{"pvcd_round", format},
                      {"version", PVCD_VERSION},
                      {"role", Role::name},
                      {"node", decider.node},
                      {"time", decider.time},
                      {"settings", store::as_json(settings)},
                      {"memory", store::as_json(before)},
                      {"input", store::as_json(in)},
                      {"plan", store::as_json(plan)},
                      {"records", records_of(steps)}};
  return dumped(whole) + "\n";
}

// The first thing that is not the same; empty: they are equal to the last bit.
std::string difference(const json& kept, const json& anew) {
  if (dumped(kept) == dumped(anew)) return {};
  const json changes = json::diff(kept, anew);
  const std::string place = changes.empty() ? "" : changes.front().at("path").get<std::string>();
  const json::json_pointer pointer(place);
  const auto shown = [&](const json& from) { return from.contains(pointer) ? dumped(from.at(pointer)) : "nothing"; };
  return place + " was " + shown(kept) + " and is decided as " + shown(anew) + " now";
}

template <class Role>
std::string decide_again(const json& kept) {
  typename Role::Settings settings;
  typename Role::Memory before;
  logic::ClusterView view;
  store::read_json(kept.at("settings"), settings, "settings");
  store::read_json(kept.at("memory"), before, "memory");
  store::read_json(kept.at("input").at("view"), view, "view");
  const auto in = Role::read_input(kept.at("input"), view);
  const Decider decider{kept.at("node").get<std::string>(), kept.at("time").get<std::uint64_t>()};

  const auto plan = Role::decide(in, settings, before);
  const json anew = {{"plan", store::as_json(plan)}, {"records", records_of(carried(plan, view, decider))}};
  return difference({{"plan", kept.at("plan")}, {"records", kept.at("records")}}, json::parse(dumped(anew)));
}

std::size_t entries_of(const logic::ClusterView& view) {
  return view.nodes.size() + view.live.size() + view.readiness.size() + view.roles.size() + view.vms.size() +
         view.owners.size() + view.runs.size() + view.waiting.size() + view.fences.size() + view.evidence.size() +
         view.witnesses.size() + view.jobs.size();
}

std::size_t xml_bytes_of(const logic::ClusterView& view) {
  std::size_t bytes = 0;
  for (const auto& [uuid, vm] : view.vms) bytes += vm.value.xml.size();
  return bytes;
}

}  // namespace

std::string round_text(const logic::CoordinatorInput& in, const logic::CoordinatorSettings& settings,
                       const logic::CoordinatorMemory& before, const logic::CoordinatorPlan& plan,
                       const Decider& decider, const std::vector<Carried>& steps) {
  return text_of<Coordinator>(in, settings, before, plan, decider, steps);
}

std::string round_text(const logic::AgentInput& in, const logic::AgentSettings& settings,
                       const logic::AgentMemory& before, const logic::AgentPlan& plan, const Decider& decider,
                       const std::vector<Carried>& steps) {
  return text_of<Agent>(in, settings, before, plan, decider, steps);
}

std::string round_text(const logic::ElectionInput& in, const logic::ElectionSettings& settings,
                       const logic::ElectionMemory& before, const logic::ElectionPlan& plan, const Decider& decider,
                       const std::vector<Carried>& steps) {
  return text_of<Election>(in, settings, before, plan, decider, steps);
}

std::string replay(const std::string& text) try {
  const json kept = json::parse(text);
  if (kept.at("pvcd_round").get<int>() != format) throw Error("it is a round of another format");
  const auto role = kept.at("role").get<std::string>();
  if (role == Coordinator::name) return decide_again<Coordinator>(kept);
  if (role == Agent::name) return decide_again<Agent>(kept);
  if (role == Election::name) return decide_again<Election>(kept);
  throw Error("nobody decides as '" + role + "'");
} catch (const json::exception& error) {
  throw Error(std::string("it is no round that pvcd has kept: ") + error.what());
} catch (const store::Mismatch& mismatch) {
  throw Error("it is no round of this version: '" + mismatch.path + "' " + mismatch.problem);
}

// --------------------------------------------------------------------------------------------------------------- files

Rounds::Rounds(std::string directory) : directory_(std::move(directory)) {}

bool Rounds::is_worth_it(const logic::ClusterView& view, const std::vector<Carried>& steps) {
  const auto is_told = [](const Carried& step) { return step.record && (step.stored || !step.changes); };
  if (std::none_of(steps.begin(), steps.end(), is_told)) return false;
  if (entries_of(view) > entries_max) {
    complain("the cluster has more than " + std::to_string(entries_max) + " records");
    return false;
  }
  if (xml_bytes_of(view) > xml_bytes_max) {
    complain("the XML of its VMs is more than " + std::to_string(xml_bytes_max / 1024) + " KiB");
    return false;
  }
  return true;
}

// Not synced: losing the last ones in a power cut costs nothing but the chance to check them.
void Rounds::write(const std::string& text) try {
  if (!prepared_) prepare();
  const std::string fresh = directory_ + "/new";
  std::ofstream file(fresh, std::ios::trunc);
  if (!(file << text << std::flush)) throw Error(fresh + ": " + std::strerror(errno));
  file.close();
  std::filesystem::rename(fresh, file_of(next_));
  if (++next_ > rounds_kept) std::filesystem::remove(file_of(next_ - 1 - rounds_kept));
  complaint_.clear();
} catch (const std::exception& error) {
  complain(error.what());
}

// Goes on behind the newest of an earlier life, and removes what that one has left too much of.
void Rounds::prepare() {
  std::filesystem::create_directories(directory_);
  std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  std::vector<std::uint64_t> numbers;
  for (const auto& entry : std::filesystem::directory_iterator(directory_))
    if (const auto number = number_of(entry.path().stem())) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  if (!numbers.empty()) next_ = numbers.back() + 1;
  for (const std::uint64_t number : numbers)
    if (number + rounds_kept < next_) std::filesystem::remove(file_of(number));
  prepared_ = true;
}

std::string Rounds::file_of(std::uint64_t number) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%010llu.json", static_cast<unsigned long long>(number));
  return directory_ + name;
}

void Rounds::complain(const std::string& why) {
  if (std::exchange(complaint_, why) != why)
    runtime::log(Level::Warning, "rounds are not kept for pvcd-verify --replay: " + why);
}

}  // namespace pvcd::core
