#include "core/objects/desk.hpp"

#include "core/objects/authorisation.hpp"
#include "core/objects/options.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

Desk::Desk(Cluster& seen, Requests& asked, Explanations& known, Gate& guarded, WhenPresent when_present)
    : cluster(seen), requests(asked), explanations(known), gate(guarded), when_present_(std::move(when_present)) {}

Call Desk::call_on(const sdbus::IObject& object, std::string_view interface, std::string_view method) {
  return {object.getCurrentlyProcessedMessage()->getSender(), object.getObjectPath(), interface, method};
}

void Desk::submit(const Call& call, const std::string& object, const std::map<std::string, std::string>& arguments,
                  PathResult&& result) {
  for (const auto& [key, value] : arguments) require_short(key, value);
  gate.pass(call, std::move(result), {},
            [this, call, object, arguments](const Caller& caller, std::shared_ptr<PathResult> answer) {
              const std::string type(find_rule(call.interface, call.method)->job);
              requests.submit(type, object, arguments, caller,
                              reply_to<std::uint64_t>(answer, runtime::names::job_path));
            });
}

Reply<std::monostate> Desk::reply_to(std::shared_ptr<EmptyResult> result) {
  return [result](const std::variant<std::monostate, RequestError>& answer) {
    if (auto* error = std::get_if<RequestError>(&answer)) return result->returnError(bus_error(*error));
    result->returnResults();
  };
}

Reply<std::string> Desk::reply_to(TextResult&& result) {
  return [shared =
              std::make_shared<TextResult>(std::move(result))](const std::variant<std::string, RequestError>& answer) {
    if (auto* error = std::get_if<RequestError>(&answer)) return shared->returnError(bus_error(*error));
    shared->returnResults(std::get<std::string>(answer));
  };
}

}  // namespace pvcd::core
