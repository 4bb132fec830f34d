#include "logic/rehearsal.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace pvcd::logic {
namespace {

// Anybody may ask: room for the names of more than a thousand nodes.
constexpr std::size_t event_bytes_max = 100'000;

std::vector<NodeName> split(std::string_view names) {
  std::vector<NodeName> list;
  while (!names.empty()) {
    const auto comma = names.find(',');
    list.emplace_back(names.substr(0, comma));
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  return list;
}

EvidenceRecord presumed_evidence(const NodeRecord& node, EvidenceKind kind) {
  EvidenceRecord evidence;
  evidence.kind = kind;
  evidence.life = {node.name, node.boot, node.incarnation};
  evidence.facts = {"presumed by this rehearsal"};
  return evidence;
}

void lose_power(ClusterView& view, const NodeName& name) {
  const NodeRecord& node = view.nodes.at(name).value;
  view.evidence[node.boot] = {presumed_evidence(node, EvidenceKind::Power), 0};
  view.live.erase({name, node.incarnation});
}

// Comes back empty and whole, in a boot that nobody has seen.
void come_back(ClusterView& view, const NodeName& name, const UnitNeeds& needs) {
  NodeRecord& node = view.nodes.at(name).value;
  view.evidence[node.boot] = {presumed_evidence(node, EvidenceKind::LaterBoot), 0};
  view.live.erase({name, node.incarnation});
  node.boot = "next boot of " + name;
  ++node.incarnation;
  view.fences.erase(name);
  Live live;
  live.value.node = name;
  live.value.boot = node.boot;
  live.value.incarnation = node.incarnation;
  live.value.daemon_state = DaemonState::Run;
  live.value.memory_free = node.memory_total;
  live.value.units["core"] = {"running", 0, {}};
  for (const std::string& plugin : needs.plugins) live.value.units[plugin] = {"running", 0, {}};
  live.session = true;
  view.live[{name, node.incarnation}] = live;
}

// As if everything it runs had been stopped and released; it takes nothing new.
void drain(ClusterView& view, const NodeName& name) {
  const NodeRecord& node = view.nodes.at(name).value;
  for (auto& [uuid, owner] : view.owners)
    if (owner.value.owner.node == name) owner.value.released = true;
  if (auto live = view.live.find({name, node.incarnation}); live != view.live.end())
    live->second.value.daemon_state = DaemonState::Shutdown;
}

ClusterView after(const ClusterView& before, const Event& event, const UnitNeeds& needs) {
  ClusterView view = before;
  view.jobs.clear();
  switch (event.kind) {
    case Event::Kind::Fail:
      for (const NodeName& name : event.nodes) lose_power(view, name);
      break;
    case Event::Kind::Drain:
      for (const NodeName& name : event.nodes) drain(view, name);
      break;
    case Event::Kind::PowerLoss:
      for (const auto& [name, node] : before.nodes) come_back(view, name, needs);
      break;
  }
  return view;
}

// The one who decides it all: any node that is still there. Nobody: nothing is decided.
const NodeRecord* survivor(const ClusterView& view) {
  for (const auto& [name, node] : view.nodes)
    if (const Live* live = live_of(view, node.value); live && live->session) return &node.value;
  return nullptr;
}

void carry_out(ClusterView& view, const AssignVm& act, const Decision& why, Rehearsal& rehearsal) {
  auto before = view.owners.find(act.uuid);
  const NodeName from = before == view.owners.end() ? NodeName() : before->second.value.owner.node;
  rehearsal.steps.push_back({act.uuid, from, act.record.owner.node, act.record.generation, why});
  view.owners[act.uuid] = {act.record, act.replaces.value_or(0) + 1};
}

void note_presumptions(const ClusterView& view, const ClusterView& then, const Event& event,
                       const CoordinatorSettings& settings, Rehearsal& rehearsal) {
  if (in_maintenance(view))
    rehearsal.notes.push_back("the cluster is in maintenance: as long as it is, nobody is fenced or recovered");
  if (event.kind == Event::Kind::PowerLoss) return;
  for (const NodeName& name : event.nodes) {
    auto readiness = view.readiness.find(name);
    const bool ready = readiness != view.readiness.end() && readiness->second.value.fence_ready;
    if (event.kind == Event::Kind::Fail && !ready)
      rehearsal.notes.push_back(name + " could not be fenced now (" +
                                (readiness == view.readiness.end() ? "not known yet" : readiness->second.value.note) +
                                "): its VMs would wait until it is proven off");
  }
  const auto left =
      std::count_if(settings.coordinators.begin(), settings.coordinators.end(), [&](const NodeName& name) {
        const auto node = then.nodes.find(name);
        const Live* live = node == then.nodes.end() ? nullptr : live_of(then, node->second.value);
        return live && live->session;
      });
  if (event.kind == Event::Kind::Fail && 2 * static_cast<std::size_t>(left) <= settings.coordinators.size())
    rehearsal.notes.push_back(
        "no majority of the coordinators would be left: nobody decides until more of them are back");
}

}  // namespace

std::variant<Event, std::string> parse_event(const std::string& text, const ClusterView& view) {
  static constexpr std::string_view usage =
      R"(say "fail node NAME", "fail nodes NAME,NAME", "drain NAME" or "power-loss all")";
  const auto after_words = [&](std::string_view words) -> std::optional<std::string_view> {
    if (!text.starts_with(words)) return std::nullopt;
    return std::string_view(text).substr(words.size());
  };
  if (text.size() > event_bytes_max)
    return "an event of " + std::to_string(text.size()) + " bytes is none; " + std::string(usage);
  Event event{Event::Kind::Fail, {}};
  if (text == "power-loss all") return Event{Event::Kind::PowerLoss, {}};
  if (auto names = after_words("fail nodes "))
    event.nodes = split(*names);
  else if (auto name = after_words("fail node "))
    event.nodes = {NodeName(*name)};
  else if (auto drained = after_words("drain "))
    event = {Event::Kind::Drain, {NodeName(*drained)}};
  if (event.nodes.empty()) return "'" + text + "' is no event; " + std::string(usage);
  for (const NodeName& name : event.nodes)
    if (!view.nodes.contains(name)) return "no node '" + name + "' ever joined; " + std::string(usage);
  if (std::set<NodeName>(event.nodes.begin(), event.nodes.end()).size() != event.nodes.size())
    return "a node is named twice; " + std::string(usage);
  return event;
}

Rehearsal rehearse(const ClusterView& seen, const Sights& sights, const Event& event,
                   const CoordinatorSettings& settings, Instant now) {
  Rehearsal rehearsal;
  ClusterView view = after(seen, event, settings.needs);
  note_presumptions(seen, view, event, settings, rehearsal);
  if (view.cluster) view.cluster->value.maintenance = false;
  const NodeRecord* self = survivor(view);
  if (!self) {
    for (const auto& [uuid, vm] : view.vms)
      if (vm.value.wanted == WantedState::Running) rehearsal.without_place.push_back({uuid, "no node is left"});
    return rehearsal;
  }
  if (!view.leader) view.leader = {LeaderRecord{}, 0};
  CoordinatorMemory memory;
  memory.sights = sights;
  std::size_t before = 0;
  do {
    CoordinatorInput in{view, {self->name, self->boot, self->incarnation}, true, true, now, {}};
    CoordinatorPlan plan = decide_coordinator(in, settings, memory);
    memory = {};
    memory.sights = std::move(plan.next.sights);
    memory.waiting = std::move(plan.next.waiting);
    before = rehearsal.steps.size();
    for (const CoordinatorAction& action : plan.actions)
      if (const auto* assign = std::get_if<AssignVm>(&action.act)) carry_out(view, *assign, action.why, rehearsal);
    // Nothing moves twice: when each VM has, another round would be a circle.
  } while (rehearsal.steps.size() > before && rehearsal.steps.size() < view.vms.size());
  for (const auto& [uuid, why] : memory.waiting) rehearsal.without_place.push_back({uuid, why});
  return rehearsal;
}

}  // namespace pvcd::logic
