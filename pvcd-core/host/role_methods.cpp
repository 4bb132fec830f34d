#include "host/role_methods.hpp"

#include <exception>
#include <type_traits>
#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "runtime/names.hpp"
#include "runtime/wire.hpp"
#include "sdk/roles.hpp"

namespace pvcd::host {

namespace names = runtime::names;

namespace {

template <class Answer_>
Answer_ unknown(std::string why) {
  Answer_ answer;  // its default is Unknown
  if constexpr (requires { answer.reason; })
    answer.reason = std::move(why);
  else
    answer.note = std::move(why);
  return answer;
}

template <class Answer_>
Answer_ refused(std::string why) {
  Answer_ answer = unknown<Answer_>(std::move(why));
  if constexpr (requires { answer.verdict; })
    answer.verdict = Verdict::Refuse;
  else
    answer.outcome = Outcome::Refused;
  return answer;
}

// What fences, or breaks locks, is done for the newest primary alone, and a role changes for the newest change alone.
template <class Request>
constexpr NewestEpoch NewestEpochs::*bound_to = nullptr;
template <>
constexpr NewestEpoch NewestEpochs::*bound_to<PowerRequest> = &NewestEpochs::act;
template <>
constexpr NewestEpoch NewestEpochs::*bound_to<StorageFenceRequest> = &NewestEpochs::act;
template <>
constexpr NewestEpoch NewestEpochs::*bound_to<VmStart> = &NewestEpochs::act;
template <>
constexpr NewestEpoch NewestEpochs::*bound_to<VmStopped> = &NewestEpochs::act;
template <>
constexpr NewestEpoch NewestEpochs::*bound_to<RoleChange> = &NewestEpochs::role;

// One BMC is no other's business: only calls about the same node have to wait for each other.
template <class Request>
std::string lane_of(const Request& request) {
  if constexpr (std::is_same_v<Request, PowerRequest> || std::is_same_v<Request, ReadRequest>)
    return request.node;
  else
    return {};
}

template <class Request>
std::string described(const char* name, const Request& request) {
  if constexpr (requires { request.node; })
    return std::string(name) + " " + request.node;
  else if constexpr (requires { request.uuid; })
    return std::string(name) + " " + request.uuid;
  else
    return name;
}

template <class Role, class Request, class Answer_>
Answer_ call(Role& role, Answer_ (Role::*function)(const Request&), const char* name, const Request& request,
             const std::string& plugin, const NewestEpochs& newest) {
  if (runtime::boottime_us() > request.permit.not_after)
    return unknown<Answer_>("too late: its time had ended before the plugin took the request up");
  if constexpr (bound_to<Request> != nullptr)
    if (const NewestEpoch& heard = newest.*bound_to<Request>; heard.is_older(request.permit.epoch))
      return refused<Answer_>("epoch " + std::to_string(request.permit.epoch) + " is over: a request of epoch " +
                              std::to_string(heard.get()) + " has been heard");
  try {
    return (role.*function)(request);
  } catch (const std::exception& error) {
    runtime::log(Level::Warning, std::string(name) + " failed: " + error.what(), {{names::field::plugin, plugin}});
    return unknown<Answer_>(error.what());
  }
}

template <class Role, class Request, class Answer_>
RoleMethod method(Role& role, const char* role_name, const char* interface, const char* name,
                  Answer_ (Role::*function)(const Request&), const std::string& plugin, NewestEpochs& newest) {
  const auto prepare = [&role, function, name, plugin,
                        &newest](const std::string& text) -> std::variant<Call, InvalidRequest> {
    auto decoded = runtime::decode<Request>(text);
    if (const auto* error = std::get_if<std::string>(&decoded)) return InvalidRequest{*error};
    Request request = std::get<Request>(std::move(decoded));
    if constexpr (bound_to<Request> != nullptr) (newest.*bound_to<Request>).hear(request.permit.epoch);
    Call prepared{described(name, request), lane_of(request), {}};
    prepared.work = [&role, function, name, plugin, &newest, request = std::move(request)] {
      return runtime::encode(call(role, function, name, request, plugin, newest));
    };
    return prepared;
  };
  return {role_name, interface, name, prepare};
}

}  // namespace

std::vector<RoleMethod> role_methods(Plugin& plugin, const std::string& plugin_name, NewestEpochs& newest) {
  std::vector<RoleMethod> methods;
  const auto add = [&](auto* role, const char* role_name, const char* interface, const char* name, auto function) {
    methods.push_back(method(*role, role_name, interface, name, function, plugin_name, newest));
  };
  if (auto* role = dynamic_cast<Hypervisor*>(&plugin)) {
    add(role, "Hypervisor", names::hypervisor_interface, "Probe", &Hypervisor::probe);
    add(role, "Hypervisor", names::hypervisor_interface, "Create", &Hypervisor::create);
    add(role, "Hypervisor", names::hypervisor_interface, "Resume", &Hypervisor::resume);
    add(role, "Hypervisor", names::hypervisor_interface, "Shutdown", &Hypervisor::shutdown);
    add(role, "Hypervisor", names::hypervisor_interface, "Destroy", &Hypervisor::destroy);
  }
  if (auto* role = dynamic_cast<PreStartHook*>(&plugin)) {
    add(role, "PreStartHook", names::pre_start_hook_interface, "BeforeStart", &PreStartHook::before_start);
    add(role, "PreStartHook", names::pre_start_hook_interface, "Identify", &PreStartHook::identify);
    add(role, "PreStartHook", names::pre_start_hook_interface, "AfterStop", &PreStartHook::after_stop);
  }
  if (auto* role = dynamic_cast<Fencer*>(&plugin)) {
    add(role, "Fencer", names::fencer_interface, "Read", &Fencer::read);
    add(role, "Fencer", names::fencer_interface, "Power", &Fencer::power);
  }
  if (auto* role = dynamic_cast<StorageFencer*>(&plugin))
    add(role, "StorageFencer", names::storage_fencer_interface, "FenceStorage", &StorageFencer::fence_storage);
  if (auto* role = dynamic_cast<RoleHook*>(&plugin))
    add(role, "RoleHook", names::role_hook_interface, "RoleChange", &RoleHook::role_change);
  if (auto* role = dynamic_cast<Elector*>(&plugin)) {
    add(role, "Elector", names::elector_interface, "Claim", &Elector::claim);
    add(role, "Elector", names::elector_interface, "Vacate", &Elector::vacate);
  }
  if (auto* role = dynamic_cast<StorageObserver*>(&plugin))
    add(role, "StorageObserver", names::storage_observer_interface, "Observe", &StorageObserver::observe);
  return methods;
}

}  // namespace pvcd::host
