// The table, the XML files and the polkit policy say the same.
#include "core/objects/authorisation.hpp"

#include <catch2/catch.hpp>
#include <pugixml.hpp>
#include <set>
#include <string>

#include "core/objects/derive.hpp"
#include "core/objects/storage_derive.hpp"
#include "logic/jobs.hpp"

#ifndef PVCD_SOURCE_DIRECTORY
#error "PVCD_SOURCE_DIRECTORY: top of the source tree"
#endif

using namespace pvcd;
using namespace pvcd::core;

namespace {

const std::string source = PVCD_SOURCE_DIRECTORY;

pugi::xml_document document(const std::string& path) {
  pugi::xml_document read;
  INFO(path);
  REQUIRE(read.load_file((source + "/" + path).c_str()));
  return read;
}

pugi::xml_document interface(const std::string& name) { return document("dbus/org.pvcd1." + name + ".xml"); }

std::set<std::string> methods_of_xml() {
  std::set<std::string> methods;
  for (const char* name : {"Manager", "Node", "Vm", "Job", "Osd"}) {
    const auto read = interface(name);
    for (const auto& method : read.select_nodes("/node/interface/method"))
      methods.insert(std::string("org.pvcd1.") + name + "." + method.node().attribute("name").value());
  }
  return methods;
}

// Properties of the XML that may change and then tell.
std::set<std::string> telling(const std::string& name) {
  std::set<std::string> properties;
  const auto read = interface(name);
  for (const auto& found :
       read.select_nodes("/node/interface/property[not(annotation[@value='const' or @value='false'])]"))
    properties.insert(found.node().attribute("name").value());
  return properties;
}

template <class Properties>
std::set<std::string> table() {
  std::set<std::string> properties;
  for (const auto& property : changing(Properties{})) CHECK(properties.insert(property.name).second);
  return properties;
}

}  // namespace

TEST_CASE("every method of the XML has exactly one rule, and no other has one") {
  std::set<std::string> methods;
  for (const Rule& rule : rules())
    CHECK(methods.insert(std::string(rule.interface) + "." + std::string(rule.method)).second);
  CHECK(methods == methods_of_xml());
}

TEST_CASE("what changes something needs an action") {
  for (const Rule& rule : rules()) {
    INFO(rule.method);
    CHECK((rule.access == Access::Action) == (rule.action != nullptr));
    const auto read = interface(std::string(rule.interface.substr(rule.interface.rfind('.') + 1)));
    const std::string path = "/node/interface/method[@name='" + std::string(rule.method) + "']";
    const pugi::xml_node method = read.select_node(path.c_str()).node();
    // Whatever changes something awaits polkit; what is open may await the store.
    const bool asynchronous = method.find_child_by_attribute("annotation", "name", "org.freedesktop.DBus.Method.Async");
    CHECK((asynchronous || rule.access == Access::Open));
    const std::string doc = method.child("doc:doc").child("doc:description").child("doc:para").text().get();
    CHECK((rule.action == nullptr || doc.find(rule.action) != std::string::npos));
    const bool takes_options = method.find_child_by_attribute("arg", "name", "options");
    CHECK((rule.access == Access::Open || takes_options));
  }
}

TEST_CASE("a method that the table does not name has no rule") {
  CHECK(find_rule("org.pvcd1.Vm", "Start"));
  CHECK_FALSE(find_rule("org.pvcd1.Vm", "start"));
  CHECK_FALSE(find_rule("org.pvcd1.Node", "Start"));
  CHECK_FALSE(find_rule("org.pvcd1.Osd", "Start"));
}

TEST_CASE("every action is in the polkit policy, and no other is") {
  std::set<std::string> used, declared;
  for (const Rule& rule : rules())
    if (rule.action) used.insert(rule.action);
  const auto policy = document("polkit/org.pvcd1.policy");
  for (const auto& action : policy.select_nodes("/policyconfig/action"))
    declared.insert(action.node().attribute("id").value());
  CHECK(used == declared);
}

TEST_CASE("jobs of the table exist, and are canceled with the right that starts them") {
  for (const Rule& rule : rules()) {
    if (rule.job.empty()) continue;
    INFO(rule.job);
    const logic::JobType* type = logic::find_job_type(rule.job);
    REQUIRE(type);
    CHECK((type->target == logic::Target::Vm) == (rule.interface == "org.pvcd1.Vm"));
    CHECK(action_of_job(rule.job) == rule.action);
  }
  CHECK(action_of_job("node-release-images") == nullptr);
  CHECK(action_of_job("") == nullptr);
}

TEST_CASE("the tables of changing properties are those of the XML") {
  CHECK(table<ManagerProperties>() == telling("Manager"));
  CHECK(table<NodeProperties>() == telling("Node"));
  auto vm = table<VmProperties>();
  vm.insert({"Selector", "MigrationMethod"});  // empty in this version
  CHECK(vm == telling("Vm"));
  auto job = table<JobProperties>();
  job.insert("ExpectedEndTime");  // not known in this version
  CHECK(job == telling("Job"));
  CHECK(table<OsdFacts>() == telling("Osd"));
  CHECK(table<StorageProperties>() == telling("Storage"));
}
