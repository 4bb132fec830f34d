// From the stored domain XML to the one that is started, and what the XML of a running domain tells.
#pragma once

#include <string>
#include <vector>

#include "sdk/types.hpp"

namespace pvcd::libvirt {

// What a domain's XML says about itself; the uuid is empty if there is none.
struct DomainIdentity {
  std::string name;
  VmUuid uuid;
  Generation generation = 0;  // that start_xml() gave it
};
DomainIdentity identity_of(const std::string& xml);

// An RBD image of a running domain, as pool/image or pool/namespace/image.
struct LiveDisk {
  std::string alias;  // libvirt's name for the device
  std::string image;
};
std::vector<LiveDisk> rbd_disks_of(const std::string& xml);

struct StartXml {
  std::string xml;
  std::string problem;  // why there is none
};

// Adds the uuid if the XML has none and <pvcd:vm generation="..."/> to its metadata; all else stays as it was given.
StartXml start_xml(const std::string& stored, const VmUuid&, Generation);

}  // namespace pvcd::libvirt
