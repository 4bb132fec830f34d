// A UUID as people and tools write it, in the one form that is compared.
#pragma once

#include <string>
#include <string_view>

#include "sdk/types.hpp"

namespace pvcd::libvirt {

// 36 characters, lower case; empty if the text is no UUID. White space around it and missing dashes are libvirt's habit
// too.
VmUuid canonical_uuid(std::string_view);

}  // namespace pvcd::libvirt
