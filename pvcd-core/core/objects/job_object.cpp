#include "core/objects/job_object.hpp"

namespace pvcd::core {

namespace names = runtime::names;

JobObject::JobObject(sdbus::IConnection& connection, Desk& desk, JobProperties properties)
    : AdaptorInterfaces(connection, names::job_path(properties.id)), desk_(desk), properties_(std::move(properties)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal({INTERFACE_NAME});
}

JobObject::~JobObject() {
  tell_removed(getObject(), INTERFACE_NAME);
  unregisterAdaptor();
}

void JobObject::update(JobProperties properties) {
  const auto names = changed(properties_, properties);
  properties_ = std::move(properties);
  if (!names.empty()) getObject().emitPropertiesChangedSignal(INTERFACE_NAME, names);
}

void JobObject::Cancel(EmptyResult&& result, Options options) {
  no_options(options);
  desk_.gate.pass(Desk::call_on(getObject(), INTERFACE_NAME, "Cancel"), std::move(result), properties_.type,
                  [&desk = desk_, id = properties_.id](const Caller& caller, std::shared_ptr<EmptyResult> answer) {
                    desk.requests.cancel_job(id, caller, Desk::reply_to(answer));
                  });
}

}  // namespace pvcd::core
