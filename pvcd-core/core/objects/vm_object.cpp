#include "core/objects/vm_object.hpp"

namespace pvcd::core {

namespace names = runtime::names;

VmObject::VmObject(sdbus::IConnection& connection, Desk& desk, VmProperties properties)
    : AdaptorInterfaces(connection, names::vm_path(properties.uuid)), desk_(desk), properties_(std::move(properties)) {
  registerAdaptor();
  getObject().emitInterfacesAddedSignal({INTERFACE_NAME});
}

VmObject::~VmObject() {
  tell_removed(getObject(), INTERFACE_NAME);
  unregisterAdaptor();
}

void VmObject::update(VmProperties properties) {
  const auto names = changed(properties_, properties);
  properties_ = std::move(properties);
  if (!names.empty()) getObject().emitPropertiesChangedSignal(INTERFACE_NAME, names);
}

void VmObject::submit(std::string_view method, PathResult&& result,
                      const std::map<std::string, std::string>& arguments) {
  desk_.submit(Desk::call_on(getObject(), INTERFACE_NAME, method), properties_.uuid, arguments, std::move(result));
}

void VmObject::Start(PathResult&& result, Options options) {
  no_options(options);
  submit("Start", std::move(result));
}

void VmObject::Shutdown(PathResult&& result, Options options) {
  no_options(options);
  submit("Shutdown", std::move(result));
}

void VmObject::Stop(PathResult&& result, Options options) {
  no_options(options);
  submit("Stop", std::move(result));
}

void VmObject::Restart(PathResult&& result, Options options) {
  no_options(options);
  submit("Restart", std::move(result));
}

void VmObject::Disable(PathResult&& result, Options options) {
  no_options(options);
  submit("Disable", std::move(result));
}

void VmObject::Undefine(PathResult&& result, Options options) {
  no_options(options);
  submit("Undefine", std::move(result));
}

void VmObject::Move(PathResult&& result, std::string node, Options options) {
  no_options(options);
  submit("Move", std::move(result), {{"node", node}});
}

void VmObject::Configure(EmptyResult&& result, Options options) {
  OptionReader reader(options);
  const VmSettings settings = take_vm_settings(reader);
  reader.finish();
  desk_.gate.pass(
      Desk::call_on(getObject(), INTERFACE_NAME, "Configure"), std::move(result), {},
      [&desk = desk_, uuid = properties_.uuid, settings](const Caller& caller, std::shared_ptr<EmptyResult> answer) {
        desk.requests.configure_vm(uuid, settings, caller, Desk::reply_to(answer));
      });
}

std::string VmObject::GetXml() {
  auto found = desk_.cluster.view().vms.find(properties_.uuid);
  if (found == desk_.cluster.view().vms.end())
    throw bus_error(
        {ErrorKind::Unavailable, "its entry in the cluster store cannot be read now; see FailedReason and Quorate"});
  return found->second.value.xml;
}

void VmObject::FlushLocks(PathResult&&, Options) {
  throw not_in_this_version("starting the VM removes what proven dead owners left");
}

void VmObject::SynchronizeDisks(PathResult&&, Options) {
  throw not_in_this_version("undefine the VM and define it again");
}
void VmObject::Migrate(PathResult&&, std::string, Options) {
  throw not_in_this_version("Move restarts the VM elsewhere");
}
void VmObject::Unmigrate(PathResult&&, Options) { throw not_in_this_version("Move restarts the VM elsewhere"); }
void VmObject::Rename(EmptyResult&&, std::string, Options) {
  throw not_in_this_version("undefine the VM and define it again");
}
void VmObject::SetXml(EmptyResult&&, std::string, Options) {
  throw not_in_this_version("undefine the VM and define it again");
}
void VmObject::Explain(TextResult&& result) {
  desk_.explanations.explain("vm/" + properties_.uuid, Desk::reply_to(std::move(result)));
}

std::vector<sdbus::Struct<std::string, std::string, std::string>> VmObject::Disks() {
  std::vector<sdbus::Struct<std::string, std::string, std::string>> disks;
  for (const Disk& disk : properties_.disks) disks.emplace_back(disk.target, text_of(disk.kind), disk.source);
  return disks;
}

}  // namespace pvcd::core
