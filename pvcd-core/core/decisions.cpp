#include "core/decisions.hpp"

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "store/codec.hpp"
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

DecisionRecord Decisions::record(const logic::Decision& decision, Epoch epoch, const Changes& changes) const {
  DecisionRecord record;
  record.what = decision.what;
  record.because = decision.because;
  record.evidence = decision.evidence;
  record.rejected = decision.rejected;
  record.object = object_of(changes);
  record.inputs = inputs_of(changes);
  record.epoch = epoch;
  record.node = self_;
  record.time = runtime::realtime_us();
  return record;
}

void Decisions::announce(const DecisionRecord& record, const std::string& created, const std::string& vm) {
  namespace field = runtime::names::field;
  const std::string json = store::encode(record);
  std::vector<runtime::Field> fields{{field::decision, json}, {field::epoch, std::to_string(record.epoch)}};
  if (!vm.empty()) fields.push_back({field::vm, vm});
  runtime::log_event(created.empty() ? Level::Info : Level::Notice, runtime::names::message::decision,
                     record.what + (record.because.empty() ? "" : ": " + record.because), fields);
  if (const auto id = number_of(created); emit_ && id) emit_(*id, json);
}

}  // namespace pvcd::core
