#include "core/objects/node_object.hpp"

namespace pvcd::core {

namespace names = runtime::names;

NodeObject::NodeObject(sdbus::IConnection& connection, Desk& desk, Age keepalive_age, NodeProperties properties)
    : AdaptorInterfaces(connection, names::node_path(properties.name)),
      desk_(desk),
      keepalive_age_(std::move(keepalive_age)),
      properties_(std::move(properties)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal({INTERFACE_NAME});
}

NodeObject::~NodeObject() {
  tell_removed(getObject(), INTERFACE_NAME);
  unregisterAdaptor();
}

void NodeObject::update(NodeProperties properties) {
  const auto names = changed(properties_, properties);
  properties_ = std::move(properties);
  if (!names.empty()) getObject().emitPropertiesChangedSignal(INTERFACE_NAME, names);
}

void NodeObject::submit(std::string_view method, PathResult&& result,
                        const std::map<std::string, std::string>& arguments) {
  desk_.submit(Desk::call_on(getObject(), INTERFACE_NAME, method), properties_.name, arguments, std::move(result));
}

void NodeObject::BecomePrimary(PathResult&& result, Options options) {
  no_options(options);
  submit("BecomePrimary", std::move(result));
}

void NodeObject::StepDown(PathResult&& result, Options options) {
  no_options(options);
  submit("StepDown", std::move(result));
}

void NodeObject::Fence(PathResult&& result, Options options) {
  no_options(options);
  submit("Fence", std::move(result));
}

void NodeObject::ConfirmOff(PathResult&& result, Options options) {
  OptionReader reader(options);
  const std::string boot = reader.take<std::string>("boot_id").value_or("");
  reader.finish();
  submit("ConfirmOff", std::move(result), {{"boot_id", boot}});
}

void NodeObject::VerifyFence(PathResult&& result, Options options) {
  no_options(options);
  submit("VerifyFence", std::move(result));
}

void NodeObject::Drain(PathResult&&, Options) { throw not_in_this_version("move its VMs one by one"); }
void NodeObject::Undrain(PathResult&&, Options) { throw not_in_this_version("move its VMs one by one"); }

}  // namespace pvcd::core
