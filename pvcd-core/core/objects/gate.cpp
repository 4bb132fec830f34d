#include "core/objects/gate.hpp"

#include "core/objects/authorisation.hpp"
#include "core/test_switches.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"

namespace pvcd::core {

namespace names = runtime::names;
using runtime::Authorization;
using runtime::AuthorizationAnswer;

namespace {

const char* error_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidArgument:
      return names::error::invalid_argument;
    case ErrorKind::NotFound:
      return names::error::not_found;
    case ErrorKind::AlreadyExists:
      return names::error::already_exists;
    case ErrorKind::NotPrimary:
      return names::error::not_primary;
    case ErrorKind::Busy:
      return names::error::busy;
    case ErrorKind::Refused:
      return names::error::refused;
    case ErrorKind::Unsafe:
      return names::error::unsafe;
    case ErrorKind::Unavailable:
      return names::error::unavailable;
    case ErrorKind::Timeout:
      return names::error::timeout;
    case ErrorKind::Failed:
      return names::error::failed;
  }
  return names::error::failed;
}

const char* action_for(const Call& call, std::string_view job_type) {
  const Rule* rule = find_rule(call.interface, call.method);
  if (!rule) return nullptr;
  return rule->access == Access::OfJob ? action_of_job(job_type) : rule->action;
}

std::string what(const Call& call) {
  return std::string(call.interface) + "." + std::string(call.method) + " on " + call.path;
}

void journal(const Call& call, const char* action, const AuthorizationAnswer& answer) {
  const bool allowed = answer.authorization == Authorization::Allowed;
  std::string text = what(call) + " for uid " + std::to_string(answer.uid) + " (" + call.sender + "): ";
  text += allowed ? "allowed" : "denied, " + answer.note;
  runtime::log_event(allowed ? Level::Notice : Level::Warning, names::message::authorization, text,
                     {{names::field::uid, std::to_string(answer.uid)},
                      {names::field::sender, call.sender},
                      {names::field::action, action ? action : ""}});
}

sdbus::Error denial(const AuthorizationAnswer& answer) {
  if (answer.authorization == Authorization::Unavailable)
    return {names::error::unavailable, answer.note + "; see that polkit.service runs, or ask as root"};
  return {names::error::access_denied, answer.note + "; ask an administrator for that right"};
}

}  // namespace

sdbus::Error bus_error(const RequestError& error) { return {error_name(error.kind), error.text}; }

sdbus::Error not_in_this_version(const std::string& instead) {
  return {names::error::unavailable, "this version cannot do that yet; " + instead};
}

Gate::Gate(runtime::Polkit& polkit) : polkit_(polkit) {}

void Gate::ask(const Call& call, std::string_view job_type, Allowed allowed, Denied denied) {
  const char* action = action_for(call, job_type);
  if (!action) {
    AuthorizationAnswer nobody;
    nobody.note = "no rule names it";
    journal(call, nullptr, nobody);
    return denied(denial(nobody));
  }
  constexpr bool may_ask_for_a_password = true;
  polkit_.check(
      call.sender, action, {}, may_ask_for_a_password,
      [call, action, allowed = std::move(allowed), denied = std::move(denied)](const AuthorizationAnswer& answer) {
        journal(call, action, answer);
        if (answer.authorization != Authorization::Allowed && !switched("polkit-off")) return denied(denial(answer));
        allowed(Caller{answer.uid, call.sender});
      });
}

}  // namespace pvcd::core
