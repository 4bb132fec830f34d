// What the handlers of all objects share. It outlives them: a handler that awaits something keeps only the desk and its
// own arguments, because its object may be gone when the answer comes.
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/cluster.hpp"
#include "core/explanations.hpp"
#include "core/objects/gate.hpp"
#include "core/requests.hpp"

namespace pvcd::core {

using PathResult = sdbus::Result<sdbus::ObjectPath>;
using EmptyResult = sdbus::Result<>;
using TextResult = sdbus::Result<std::string>;

// Of an object that goes; when the bus is gone too there is nobody to tell.
inline void tell_removed(sdbus::IObject& object, const std::string& interface) noexcept {
  try {
    object.emitInterfacesRemovedSignal({interface});
  } catch (const sdbus::Error&) {
  }
}

class Desk {
 public:
  // Calls the function when the object is on the bus, so that nobody is told a path that does not exist yet.
  using WhenPresent = std::function<void(const std::string& path, std::function<void()>)>;

  Desk(Cluster&, Requests&, Explanations&, Gate&, WhenPresent);

  // Of the call being handled.
  static Call call_on(const sdbus::IObject&, std::string_view interface, std::string_view method);

  // Authorises the call, queues the job that its rule names, and answers with the job's path.
  void submit(const Call&, const std::string& object, const std::map<std::string, std::string>& arguments,
              PathResult&&);

  // Answers with what a request replied.
  static Reply<std::monostate> reply_to(std::shared_ptr<EmptyResult>);
  static Reply<std::string> reply_to(TextResult&&);
  template <class T>
  Reply<T> reply_to(std::shared_ptr<PathResult> result, std::string (*path_of)(T)) {
    return [when_present = when_present_, result, path_of](const std::variant<T, RequestError>& answer) {
      if (auto* error = std::get_if<RequestError>(&answer)) return result->returnError(bus_error(*error));
      const std::string path = path_of(std::get<T>(answer));
      when_present(path, [result, path] { result->returnResults(sdbus::ObjectPath(path)); });
    };
  }

  Cluster& cluster;
  Requests& requests;
  Explanations& explanations;
  Gate& gate;

 private:
  WhenPresent when_present_;
};

}  // namespace pvcd::core
