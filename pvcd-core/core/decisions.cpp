#include "core/decisions.hpp"

#include <nlohmann/json.hpp>

#include "runtime/journal.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

Append Decisions::record(const logic::Decision& decision, Epoch epoch) const {
  return {Kind::Decision, text(decision, epoch)};
}

std::string Decisions::text(const logic::Decision& decision, Epoch epoch) const {
  const nlohmann::json json = {{"what", decision.what},
                               {"because", decision.because},
                               {"evidence", decision.evidence},
                               {"rejected", decision.rejected},
                               {"epoch", epoch},
                               {"node", self_}};
  return json.dump();
}

void Decisions::announce(const logic::Decision& decision, Epoch epoch, const std::string& created,
                         const std::string& object) {
  const std::string json = text(decision, epoch);
  namespace field = runtime::names::field;
  std::vector<runtime::Field> fields{{field::decision, json}, {field::epoch, std::to_string(epoch)}};
  if (!object.empty()) fields.push_back({field::vm, object});
  runtime::log_event(created.empty() ? Level::Info : Level::Notice, runtime::names::message::decision,
                     decision.what + (decision.because.empty() ? "" : ": " + decision.because), fields);
  const auto digits = created.find_last_not_of("0123456789");
  if (emit_ && !created.empty() && digits + 1 < created.size()) emit_(std::stoull(created.substr(digits + 1)), json);
}

}  // namespace pvcd::core
