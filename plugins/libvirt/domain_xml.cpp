#include "domain_xml.hpp"

#include <pugixml.hpp>
#include <sstream>

#include "uuid.hpp"

namespace pvcd::libvirt {
namespace {

constexpr const char* metadata_uri = "https://pvcd.org/vm/1";

void set_generation(pugi::xml_node domain, Generation generation) {
  pugi::xml_node metadata = domain.child("metadata");
  if (!metadata) metadata = domain.append_child("metadata");
  while (metadata.remove_child("pvcd:vm")) {
  }
  pugi::xml_node vm = metadata.append_child("pvcd:vm");
  vm.append_attribute("xmlns:pvcd").set_value(metadata_uri);
  vm.append_attribute("generation").set_value(std::to_string(generation).c_str());
}

}  // namespace

StartXml start_xml(const std::string& stored, const VmUuid& uuid, Generation generation) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(stored.data(), stored.size());
  if (!parsed)
    return {{},
            "the domain XML cannot be read: " + std::string(parsed.description()) + " at character " +
                std::to_string(parsed.offset)};
  pugi::xml_node domain = document.child("domain");
  if (!domain) return {{}, "the domain XML has no <domain>"};
  const pugi::xml_node given = domain.child("uuid");
  if (!given)
    domain.append_child("uuid").text().set(uuid.c_str());
  else if (canonical_uuid(given.text().get()) != uuid)
    return {{}, "the domain XML is of another VM: its uuid is " + std::string(given.text().get()) + ", not " + uuid};
  set_generation(domain, generation);
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return {text.str(), {}};
}

DomainIdentity identity_of(const std::string& xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node domain = document.child("domain");
  return {domain.child("name").text().get(), canonical_uuid(domain.child("uuid").text().get()),
          domain.child("metadata").child("pvcd:vm").attribute("generation").as_ullong()};
}

// What is opened as of a snapshot has no client that could write.
std::vector<LiveDisk> rbd_disks_of(const std::string& xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size());
  std::vector<LiveDisk> disks;
  for (const pugi::xml_node& disk : document.child("domain").child("devices").children("disk")) {
    const pugi::xml_node source = disk.child("source");
    const std::string image = source.attribute("name").value();
    if (std::string_view(source.attribute("protocol").value()) == "rbd" && image.find('@') == image.npos)
      disks.push_back({disk.child("alias").attribute("name").value(), image});
  }
  return disks;
}

}  // namespace pvcd::libvirt
