#include "core/objects/osd_object.hpp"

#include "core/objects/desk.hpp"

namespace pvcd::core {

OsdObject::OsdObject(sdbus::IConnection& connection, AgeNow age, OsdFacts facts)
    : AdaptorInterfaces(connection, runtime::names::osd_path(facts.id)),
      age_(std::move(age)),
      facts_(std::move(facts)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal({INTERFACE_NAME});
}

OsdObject::~OsdObject() {
  tell_removed(getObject(), INTERFACE_NAME);
  unregisterAdaptor();
}

void OsdObject::update(const OsdFacts& facts) {
  const auto names = changed(facts_, facts);
  facts_ = facts;
  if (!names.empty()) getObject().emitPropertiesChangedSignal(INTERFACE_NAME, names);
}

}  // namespace pvcd::core
