// The newest epoch that this plugin has heard of in a request that fences or breaks locks, or in a change of the role.
// An older one comes from a primary that has been replaced, and is refused.
//
// Nothing of it is kept over a restart: what this process could be asked late waits in its own queue or on its own
// connection, and ends with it. That the core itself does not act on an older epoch, its high-water mark sees to.
#pragma once

#include <atomic>

#include "sdk/types.hpp"

namespace pvcd::host {

class NewestEpoch {
 public:
  void hear(Epoch epoch) {
    Epoch known = newest_;
    while (known < epoch && !newest_.compare_exchange_weak(known, epoch)) {
    }
  }
  bool is_older(Epoch epoch) const { return epoch < newest_; }
  Epoch get() const { return newest_; }

 private:
  std::atomic<Epoch> newest_ = 0;
};

// The role counts apart: that another node's requests are heard makes it only more urgent to give an older epoch up.
struct NewestEpochs {
  NewestEpoch act;
  NewestEpoch role;
};

}  // namespace pvcd::host
