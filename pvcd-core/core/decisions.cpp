#include "core/decisions.hpp"

#include <nlohmann/json.hpp>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "store/paths.hpp"

namespace pvcd::core {
namespace {

struct Basis {
  Key key;
  std::optional<Version> version;  // that the change insists on
};

Basis basis_of(const Change& change) {
  return std::visit(
      []<class One>(const One& one) -> Basis {
        if constexpr (std::is_same_v<One, Put>)
          return {one.key, one.replaces};
        else if constexpr (std::is_same_v<One, Append>)
          return {{one.kind, {}}, std::nullopt};
        else if constexpr (std::is_same_v<One, Absent>)
          return {one.key, std::nullopt};
        else
          return {one.key, one.version};
      },
      change);
}

std::vector<std::string> inputs_of(const Changes& changes) {
  std::vector<std::string> inputs;
  for (const Change& change : changes)
    if (const Basis basis = basis_of(change); basis.version && *basis.version != any_version)
      inputs.push_back(store::paths::of(basis.key) + "@" + std::to_string(*basis.version));
  return inputs;
}

// "vm/<uuid>" or "node/<name>", as Explain names them.
std::string object_of(const Changes& changes) {
  for (const Change& change : changes) {
    const Key key = basis_of(change).key;
    switch (key.kind) {
      case Kind::Vm:
      case Kind::Owner:
      case Kind::Run:
        return "vm/" + key.name;
      case Kind::Node:
      case Kind::Fence:
      case Kind::Readiness:
      case Kind::Role:
        return "node/" + key.name;
      default:
        break;
    }
  }
  return {};
}

}  // namespace

std::string Decisions::record(const logic::Decision& decision, Epoch epoch, const Changes& changes) const {
  const nlohmann::json json = {{"what", decision.what},
                               {"because", decision.because},
                               {"evidence", decision.evidence},
                               {"rejected", decision.rejected},
                               {"object", object_of(changes)},
                               {"inputs", inputs_of(changes)},
                               {"epoch", epoch},
                               {"node", self_},
                               {"time", runtime::realtime_us()}};
  return json.dump();
}

void Decisions::announce(const logic::Decision& decision, const std::string& record, Epoch epoch,
                         const std::string& created, const std::string& vm) {
  namespace field = runtime::names::field;
  std::vector<runtime::Field> fields{{field::decision, record}, {field::epoch, std::to_string(epoch)}};
  if (!vm.empty()) fields.push_back({field::vm, vm});
  runtime::log_event(created.empty() ? Level::Info : Level::Notice, runtime::names::message::decision,
                     decision.what + (decision.because.empty() ? "" : ": " + decision.because), fields);
  if (const auto id = number_of(created); emit_ && id) emit_(*id, record);
}

}  // namespace pvcd::core
