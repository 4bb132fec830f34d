#include "core/explanations.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "logic/rehearsal.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

namespace paths = store::paths;
using nlohmann::json;

constexpr std::size_t decisions_read_max = 200;  // the newest ones, of the whole cluster
constexpr std::size_t decisions_told_max = 10;   // of those, about one object

std::string lines_of(const std::vector<std::string>& said) {
  std::string text;
  for (const std::string& sentence : said) text += sentence + "\n";
  if (!text.empty()) text.pop_back();
  return text;
}

RequestError not_readable() {
  return {ErrorKind::Unavailable, "this node does not reach the cluster store; ask another node"};
}

std::string sentence(const DecisionRecord& record) {
  return record.node + " at epoch " + std::to_string(record.epoch) + ": " + record.what +
         (record.because.empty() ? "" : ", because " + record.because) + ".";
}

std::vector<std::string> in_full(const DecisionRecord& record) {
  std::vector<std::string> said{sentence(record)};
  for (const std::string& one : record.evidence) said.push_back("Evidence: " + one + ".");
  for (const std::string& one : record.rejected) said.push_back("Rejected: " + one + ".");
  for (const std::string& one : record.inputs) said.push_back("Decided on " + one + ".");
  for (const std::string& one : record.follow_up) said.push_back("It led to the job " + one + ".");
  return said;
}

std::optional<DecisionRecord> parse(const store::ReadResult& result) {
  if (result.code != store::ReadCode::Ok) return std::nullopt;
  auto decoded = store::decode<DecisionRecord>(result.entry.data);
  auto* record = std::get_if<DecisionRecord>(&decoded);
  return record ? std::optional(std::move(*record)) : std::nullopt;
}

json decision_of(const logic::Decision& why) {
  return {{"what", why.what}, {"because", why.because}, {"evidence", why.evidence}, {"rejected", why.rejected}};
}

}  // namespace

// Reads the newest decisions and keeps those about one object; ends when all reads have.
struct Explanations::Search {
  std::string object;
  std::vector<std::string> said;
  Reply<std::string> reply;
  std::map<std::string, DecisionRecord> found;
  std::size_t outstanding = 0;

  void finish() {
    if (!found.empty()) said.push_back("What was decided about it last:");
    const std::size_t skipped = found.size() - std::min(found.size(), decisions_told_max);
    auto first = std::next(found.begin(), static_cast<std::ptrdiff_t>(skipped));
    for (auto one = first; one != found.end(); ++one)
      said.push_back("  decision/" + std::to_string(number_of(one->first).value_or(0)) + "  " + sentence(one->second));
    reply(lines_of(said));
  }
};

Explanations::Explanations(Cluster& cluster, NodeName self, logic::CoordinatorSettings settings,
                           std::function<Instant()> clock)
    : cluster_(cluster),
      self_(std::move(self)),
      settings_(std::move(settings)),
      clock_(std::move(clock)),
      alive_(std::make_shared<std::monostate>()) {}
Explanations::~Explanations() = default;

void Explanations::look() {
  if (!cluster_.view().complete) return;
  const Instant now = clock_();
  logic::Sights seen = logic::look(cluster_.view(), sights_, now);
  logic::note_hiccups(seen, sights_, self_, now, settings_.suspect_after);
  sights_ = std::move(seen);
}

void Explanations::explain(const std::string& what, Reply<std::string> reply) {
  const auto& view = cluster_.view();
  const auto slash = what.find('/');
  const std::string kind = what.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : what.substr(slash + 1);
  if (name.empty() || (kind != "vm" && kind != "node" && kind != "decision"))
    return reply(RequestError{ErrorKind::InvalidArgument,
                              "'" + what + "' is nothing to explain; say vm/NAME, node/NAME or decision/ID"});
  if (!view.complete) return reply(not_readable());
  if (asked_ >= asked_max)
    return reply(RequestError{ErrorKind::Busy, std::to_string(asked_max) + " others ask already; ask again"});
  ++asked_;
  answer(kind, name, [this, alive = std::weak_ptr(alive_), reply = std::move(reply)](const auto& answered) {
    if (alive.expired()) return;
    --asked_;
    reply(answered);
  });
}

void Explanations::answer(const std::string& kind, const std::string& name, Reply<std::string> reply) {
  const auto& view = cluster_.view();
  const logic::Situation now{view, sights_, clock_(), settings_};
  if (kind == "decision") return explain_decision(name, std::move(reply));
  if (kind == "node") {
    if (!view.nodes.contains(name))
      return reply(RequestError{ErrorKind::NotFound, "no node '" + name + "' ever joined"});
    return with_decisions_about("node/" + name, logic::explain_node(now, name), std::move(reply));
  }
  auto vm = view.vms.find(name);
  if (vm == view.vms.end())
    vm = std::find_if(view.vms.begin(), view.vms.end(), [&](const auto& one) { return one.second.value.name == name; });
  if (vm == view.vms.end()) return reply(RequestError{ErrorKind::NotFound, "no VM '" + name + "'"});
  with_decisions_about("vm/" + vm->first, logic::explain_vm(now, vm->first), std::move(reply));
}

void Explanations::explain_decision(const std::string& id, Reply<std::string> reply) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size())
    return reply(RequestError{ErrorKind::InvalidArgument, "'" + id + "' is no number of a decision"});
  auto answered = [alive = std::weak_ptr(alive_), id, reply = std::move(reply)](const store::ReadResult& result) {
    if (alive.expired()) return;
    if (result.code == store::ReadCode::NoEntry)
      return reply(
          RequestError{ErrorKind::NotFound, "no decision " + id + " in the store; the journal keeps older ones"});
    if (result.code != store::ReadCode::Ok) return reply(not_readable());
    const auto record = parse(result);
    if (!record) return reply(RequestError{ErrorKind::Failed, "the record of decision " + id + " is not readable"});
    reply(lines_of(in_full(*record)));
  };
  cluster_.store().get_existing(paths::of(decision_key(number)), std::move(answered));
}

void Explanations::with_decisions_about(const std::string& object, std::vector<std::string> said,
                                        Reply<std::string> reply) {
  auto search = std::make_shared<Search>(Search{object, std::move(said), std::move(reply), {}, 0});
  auto listed = [this, alive = std::weak_ptr(alive_), search](const store::ReadResult& result) {
    if (alive.expired()) return;
    if (result.code != store::ReadCode::Ok) {
      search->said.push_back("(What was decided about it cannot be read from the store now.)");
      return search->finish();
    }
    auto names = result.children;
    std::sort(names.begin(), names.end(), std::greater<>());
    names.resize(std::min(names.size(), decisions_read_max));
    search->outstanding = names.size();
    if (names.empty()) search->finish();
    for (const std::string& name : names) {
      auto read = [alive, search, name](const store::ReadResult& one) {
        if (alive.expired()) return;
        if (auto record = parse(one); record && record->object == search->object)
          search->found.emplace(name, std::move(*record));
        if (--search->outstanding == 0) search->finish();
      };
      cluster_.store().get_existing(paths::under(paths::decisions, name), std::move(read));
    }
  };
  cluster_.store().list(paths::decisions, std::move(listed));
}

std::variant<std::string, RequestError> Explanations::dry_run(const std::string& text) const {
  const auto& view = cluster_.view();
  if (!view.complete) return not_readable();
  const auto parsed = logic::parse_event(text, view);
  if (const auto* wrong = std::get_if<std::string>(&parsed))
    return RequestError{ErrorKind::InvalidArgument, "event: " + *wrong};
  const auto plan = logic::rehearse(view, sights_, std::get<logic::Event>(parsed), settings_, clock_());
  const auto name_of = [&](const VmUuid& uuid) { return view.vms.at(uuid).value.name; };
  json starts = json::array();
  for (const auto& step : plan.steps) {
    json one = decision_of(step.why);
    one.update({{"order", starts.size() + 1},
                {"vm", name_of(step.vm)},
                {"uuid", step.vm},
                {"from", step.from},
                {"to", step.to},
                {"generation", step.generation}});
    starts.push_back(std::move(one));
  }
  json waiting = json::array();
  for (const auto& one : plan.without_place)
    waiting.push_back({{"vm", name_of(one.vm)}, {"uuid", one.vm}, {"because", one.why}});
  return json{{"event", text}, {"starts", starts}, {"without_place", waiting}, {"notes", plan.notes}}.dump();
}

}  // namespace pvcd::core
