// What people may ask for, whatever way they ask: the D-Bus objects call this after polkit allowed it. Each request is
// checked, becomes one transaction in the store, and is carried out by the primary or by the node it names.
//
// A job is an intent: it is accepted also while there is no primary, and the next one carries it out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/cluster.hpp"
#include "core/decisions.hpp"
#include "logic/coordinator.hpp"

namespace pvcd::core {

// One per D-Bus error name org.pvcd1.Error.<name>.
enum class ErrorKind {
  InvalidArgument,
  NotFound,
  AlreadyExists,
  NotPrimary,
  Busy,
  Refused,
  Unsafe,
  Unavailable,
  Timeout,
  Failed
};

struct RequestError {
  ErrorKind kind = ErrorKind::Failed;
  std::string text;  // a sentence that says what to do
};

struct Caller {
  std::uint32_t uid = 0;
  std::string sender;  // unique bus name, for the journal
};

template <class T>
using Reply = std::function<void(std::variant<T, RequestError>)>;

// What Configure and DefineVm may set; the rest stays as it is.
struct VmSettings {
  std::optional<std::vector<NodeName>> node_limit;
  std::optional<std::int32_t> priority;
  std::optional<std::vector<std::string>> tags;
  std::optional<std::string> profile;
  std::optional<bool> autostart;
};

// The cluster outlives it; replies that come after its end are dropped.
class Requests {
 public:
  struct Place {
    NodeName self;
    std::string fencer;                   // plugin that the primary would fence with
    logic::CoordinatorSettings settings;  // as the primary has them, too
    std::vector<std::string> shared_directories;
  };

  Requests(Cluster&, Decisions&, Place);
  ~Requests();
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // -> VM uuid. Nothing is written when anything is wrong with the XML or the name or uuid is taken.
  void define_vm(const std::string& xml, const NodeName& home, const VmSettings&, const Caller&, Reply<VmUuid>);
  void configure_vm(const VmUuid&, const VmSettings&, const Caller&, Reply<std::monostate>);

  // -> job id. `type` is a row of logic/jobs.hpp; arguments are that row's.
  void submit(const std::string& type, const std::string& object, const std::map<std::string, std::string>& arguments,
              const Caller&, Reply<std::uint64_t>);
  void cancel_job(std::uint64_t id, const Caller&, Reply<std::monostate>);

  void set_maintenance(bool, const Caller&, Reply<std::monostate>);
  void accept_store(const Caller&, Reply<std::monostate>);

 private:
  struct Writer;

  Append decision(const std::string& what, const std::string& object, const Caller&) const;

  Cluster& cluster_;
  const Place place_;
  std::shared_ptr<Writer> writer_;
};

}  // namespace pvcd::core
