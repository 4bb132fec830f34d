// The way of every call that changes something: find its rule, ask polkit, journal who asked for what, then let it
// through.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/requests.hpp"
#include "runtime/polkit.hpp"

namespace pvcd::core {

// A call while it is being handled; taken from the bus message before anything is awaited.
struct Call {
  std::string sender;
  std::string path;
  std::string_view interface;
  std::string_view method;
};

sdbus::Error bus_error(const RequestError&);
sdbus::Error not_in_this_version(const std::string& instead);

class Gate {
 public:
  explicit Gate(runtime::Polkit&);

  using Allowed = std::function<void(const Caller&)>;
  using Denied = std::function<void(const sdbus::Error&)>;

  // Exactly one of both is called, later. `job_type`: for rules of Access::OfJob.
  void ask(const Call&, std::string_view job_type, Allowed, Denied);

  // The same for a handler that answers by `result`.
  template <class Result>
  void pass(const Call& call, Result result, std::string_view job_type,
            std::type_identity_t<std::function<void(const Caller&, std::shared_ptr<Result>)>> allowed) {
    auto shared = std::make_shared<Result>(std::move(result));
    ask(
        call, job_type, [shared, allowed = std::move(allowed)](const Caller& caller) { allowed(caller, shared); },
        [shared](const sdbus::Error& error) { shared->returnError(error); });
  }

 private:
  runtime::Polkit& polkit_;
};

}  // namespace pvcd::core
