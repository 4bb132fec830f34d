// The core: one loop, no threads, nothing that blocks. Every change of what is seen leads to one round: look, decide,
// act.
#pragma once

#include <memory>

#include "runtime/loop.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {

class Daemon {
 public:
  Daemon(runtime::Loop&, const Settings& shared);  // throws Error when the environment is not fit
  ~Daemon();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pvcd::core
