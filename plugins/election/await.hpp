#pragma once

#include <memory>
#include <optional>

#include "store/private_loop.hpp"

namespace pvcd::election {

// Starts an asynchronous request and turns the loop until its answer came; nothing if none came before the deadline. An
// answer that comes later goes to nobody.
template <class Result, class Start>
std::optional<Result> await(store::PrivateLoop& loop, Instant deadline, Start start) {
  auto slot = std::make_shared<std::optional<Result>>();
  start([slot](const Result& result) { *slot = result; });
  loop.run_until([&] { return slot->has_value(); }, deadline);
  return *slot;
}

}  // namespace pvcd::election
