// What no key can tell by itself: values that contradict each other, and secrets that others may read.
//
// Each throws Error with file, line and key. Where several values do not fit together that is the place of one that is
// written in a file, and the text names the others: a default has no line.
#pragma once

#include <string>

#include "runtime/config.hpp"

namespace pvcd::runtime {

void check_shared(const Table& shared);
void check_plugin(const std::string& plugin, const Table& own, const Table& shared);

}  // namespace pvcd::runtime
