// From one judgement per image to the one answer for the VM.
#pragma once

#include <vector>

#include "judge.hpp"

namespace pvcd::rbd_locks {

// Proceed when every image proceeds or has only dead locks and watchers in the way.
HookVerdict combine(const std::vector<Judgement>&);

}  // namespace pvcd::rbd_locks
