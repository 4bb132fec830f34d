// From the stored domain XML to the one that is started.
#pragma once

#include <string>

#include "sdk/types.hpp"

namespace pvcd::libvirt {

struct StartXml {
  std::string xml;
  std::string problem;  // why there is none
};

// Adds the uuid if the XML has none and <pvcd:vm generation="..."/> to its metadata; all else stays as it was given.
StartXml start_xml(const std::string& stored, const VmUuid&, Generation);

}  // namespace pvcd::libvirt
