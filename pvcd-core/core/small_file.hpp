// Small files of the core's own, read whole and replaced whole: after a crash there is the old one or the new one.
#pragma once

#include <optional>
#include <string>

namespace pvcd::core {

std::optional<std::string> read_small_file(const std::string& path);           // nothing: there is none
void replace_small_file(const std::string& path, const std::string& content);  // synced; throws Error

}  // namespace pvcd::core
