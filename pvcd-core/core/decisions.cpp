#include "core/decisions.hpp"

#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "store/codec.hpp"

namespace pvcd::core {

void Decisions::announce(Level level, const DecisionRecord& record, const std::string& created, const std::string& vm) {
  namespace field = runtime::names::field;
  const std::string json = store::encode(record);
  std::vector<runtime::Field> fields{{field::decision, json}, {field::epoch, std::to_string(record.epoch)}};
  if (!vm.empty()) fields.push_back({field::vm, vm});
  runtime::log_event(level, runtime::names::message::decision,
                     record.what + (record.because.empty() ? "" : ": " + record.because), fields);
  const auto id = number_of(created);
  if (!id) return;
  announced_.insert(*id);
  if (announced_.size() > remembered_max) announced_.erase(announced_.begin());
  if (emit_) emit_(*id, json);
}

}  // namespace pvcd::core
