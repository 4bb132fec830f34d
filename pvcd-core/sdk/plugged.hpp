// The fact "images/<uuid>" of a Hypervisor, as text: a line for each image, its number first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sdk/roles.hpp"

namespace pvcd {

std::string as_fact(const std::vector<PluggedImage>&);
std::vector<PluggedImage> plugged_images(std::string_view fact);  // without the lines that cannot be read

}  // namespace pvcd
