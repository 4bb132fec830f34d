#include "core/objects/manager_object.hpp"

#include <algorithm>

#include "core/domain_xml.hpp"

namespace pvcd::core {

namespace names = runtime::names;

namespace {

// Before everything has been read nobody can say that something does not exist.
sdbus::Error not_found(const Cluster& cluster, const std::string& text) {
  if (cluster.view().complete) return bus_error({ErrorKind::NotFound, text});
  return bus_error({ErrorKind::Unavailable, "this node does not reach the cluster store; ask another node"});
}

}  // namespace

ManagerObject::ManagerObject(sdbus::IConnection& connection, Desk& desk, pvcd::NodeName self,
                             ManagerProperties properties)
    : AdaptorInterfaces(connection, names::root_path),
      desk_(desk),
      self_(std::move(self)),
      properties_(std::move(properties)) {
  registerAdaptor();
}

ManagerObject::~ManagerObject() { unregisterAdaptor(); }

void ManagerObject::update(ManagerProperties properties) {
  const auto names = changed(properties_, properties);
  properties_ = std::move(properties);
  if (!names.empty()) getObject().emitPropertiesChangedSignal(names::manager_interface, names);
}

sdbus::ObjectPath ManagerObject::GetNode(const std::string& name) {
  if (!desk_.cluster.view().nodes.contains(name))
    throw not_found(desk_.cluster, "no node '" + name + "' ever joined; see the objects below /org/pvcd1/node");
  return names::node_path(name);
}

sdbus::ObjectPath ManagerObject::GetVm(const std::string& name_or_uuid) {
  const auto& vms = desk_.cluster.view().vms;
  auto found = vms.find(name_or_uuid);
  if (found == vms.end())
    found = std::find_if(vms.begin(), vms.end(), [&](const auto& vm) { return vm.second.value.name == name_or_uuid; });
  if (found == vms.end())
    throw not_found(desk_.cluster, "no VM '" + name_or_uuid + "'; see the objects below /org/pvcd1/vm");
  return names::vm_path(found->first);
}

void ManagerObject::DefineVm(PathResult&& result, std::string xml, Options options) {
  // Before anybody is asked whether it may be: it is kept until then.
  if (xml.size() > domain_xml_bytes_max)
    throw bus_error({ErrorKind::InvalidArgument,
                     "xml: it has " + std::to_string(xml.size()) + " bytes, more than the cluster store takes"});
  OptionReader reader(options);
  const VmSettings settings = take_vm_settings(reader);
  const std::string home = reader.take<std::string>("home_node").value_or("");
  reader.finish();
  desk_.gate.pass(Desk::call_on(getObject(), names::manager_interface, "DefineVm"), std::move(result), {},
                  [&desk = desk_, xml, home, settings](const Caller& caller, std::shared_ptr<PathResult> answer) {
                    desk.requests.define_vm(xml, home, settings, caller, desk.reply_to<VmUuid>(answer, [](VmUuid uuid) {
                      return names::vm_path(uuid);
                    }));
                  });
}

void ManagerObject::SetMaintenance(EmptyResult&& result, bool maintenance, Options options) {
  no_options(options);
  desk_.gate.pass(Desk::call_on(getObject(), names::manager_interface, "SetMaintenance"), std::move(result), {},
                  [&desk = desk_, maintenance](const Caller& caller, std::shared_ptr<EmptyResult> answer) {
                    desk.requests.set_maintenance(maintenance, caller, Desk::reply_to(answer));
                  });
}

void ManagerObject::AcceptStore(EmptyResult&& result, Options options) {
  no_options(options);
  desk_.gate.pass(Desk::call_on(getObject(), names::manager_interface, "AcceptStore"), std::move(result), {},
                  [&desk = desk_](const Caller& caller, std::shared_ptr<EmptyResult> answer) {
                    desk.requests.accept_store(caller, Desk::reply_to(answer));
                  });
}

std::string ManagerObject::DryRun(const std::string& event, const Options& options) {
  no_options(options);
  auto plan = desk_.explanations.dry_run(event);
  if (const auto* error = std::get_if<RequestError>(&plan)) throw bus_error(*error);
  return std::get<std::string>(std::move(plan));
}

void ManagerObject::Explain(TextResult&& result, std::string what) {
  desk_.explanations.explain(what, Desk::reply_to(std::move(result)));
}

void ManagerObject::FlushImageLocks(PathResult&&, std::string, Options) {
  throw not_in_this_version("starting the VM removes what proven dead owners left");
}

std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint64_t, std::string>> ManagerObject::Plugins() {
  std::vector<sdbus::Struct<std::string, std::string, std::string, std::uint64_t, std::string>> lines;
  for (const PluginLine& plugin : properties_.plugins)
    lines.emplace_back(plugin.name, plugin.unit, plugin.state, plugin.age, plugin.note);
  return lines;
}

}  // namespace pvcd::core
