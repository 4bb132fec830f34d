// What both back ends refuse before anything is sent.
#pragma once

#include <string>
#include <vector>

#include "store/store.hpp"

namespace pvcd::store {

bool valid_path(const std::string& path, bool sequential = false);

// Ok, or Invalid or TooBig with the operation that is to blame.
CommitResult check_request(const std::vector<Operation>&);

const std::string& path_of(const Operation&);

Instant boottime_now();
std::uint64_t realtime_now();  // for people

}  // namespace pvcd::store
