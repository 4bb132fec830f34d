#include "host/adaptor.hpp"

#include <utility>

#include "runtime/journal.hpp"
#include "runtime/names.hpp"

namespace pvcd::host {

namespace names = runtime::names;

namespace {

// Unique in the process: an answer to a call of an earlier connection finds nobody.
std::uint64_t next_id() {
  static std::uint64_t id = 0;
  return ++id;
}

// A connection that has just ended refuses to send; its Bus is about to say so.
template <class Function>
void send(Function&& function) {
  try {
    function();
  } catch (const sdbus::Error& error) {
    runtime::log(Level::Debug, "not sent: " + error.getMessage());
  }
}

}  // namespace

Adaptor::Adaptor(sdbus::IConnection& connection, const PluginStatus& status, const std::vector<RoleMethod>& methods,
                 Call call)
    : call_(std::move(call)), object_(sdbus::createObject(connection, names::plugin_path)) {
  add_properties(status);
  for (const RoleMethod& method : methods) add_method(method);
  object_->finishRegistration();
}

Adaptor::~Adaptor() = default;

void Adaptor::add_properties(const PluginStatus& status) {
  const auto property = [this](const char* name, sdbus::Flags::PropertyUpdateBehaviorFlags update, auto getter) {
    object_->registerProperty(name).onInterface(names::plugin_interface).withGetter(getter).withUpdateBehavior(update);
  };
  property("Name", sdbus::Flags::CONST_PROPERTY_VALUE, [&status] { return status.name; });
  property("State", sdbus::Flags::EMITS_CHANGE_SIGNAL, [&status] { return status.state; });
  property("StalledSince", sdbus::Flags::EMITS_CHANGE_SIGNAL, [&status] { return status.stalled_since; });
  property("QueueLength", sdbus::Flags::EMITS_NO_SIGNAL, [&status] { return status.queue_length(); });
  property("Roles", sdbus::Flags::CONST_PROPERTY_VALUE, [&status] { return status.roles; });
  property("Facts", sdbus::Flags::EMITS_NO_SIGNAL, [&status] { return status.facts; });
  object_->registerSignal("Reported")
      .onInterface(names::plugin_interface)
      .withParameters<std::string, std::string>("key", "value");
}

void Adaptor::add_method(const RoleMethod& method) {
  object_->registerMethod(method.name)
      .onInterface(method.interface)
      .withInputParamNames("request")
      .withOutputParamNames("answer")
      .implementedAs([this, method](Reply&& reply, const std::string& request) {
        const std::uint64_t id = next_id();
        waiting_.emplace(id, std::move(reply));
        call_(method, request, id);
      });
}

bool Adaptor::take(std::uint64_t id, Reply& reply) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return false;
  reply = std::move(found->second);
  waiting_.erase(found);
  return true;
}

void Adaptor::answer(std::uint64_t id, const std::string& text) {
  if (Reply reply; take(id, reply)) send([&] { reply.returnResults(text); });
}

void Adaptor::refuse(std::uint64_t id, const char* error_name, const std::string& text) {
  if (Reply reply; take(id, reply)) send([&] { reply.returnError(sdbus::Error(error_name, text)); });
}

void Adaptor::state_changed() {
  send([&] { object_->emitPropertiesChangedSignal(names::plugin_interface, {"State", "StalledSince"}); });
}

void Adaptor::reported(const std::string& key, const std::string& value) {
  send([&] { object_->emitSignal("Reported").onInterface(names::plugin_interface).withArguments(key, value); });
}

}  // namespace pvcd::host
