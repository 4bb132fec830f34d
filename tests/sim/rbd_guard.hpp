// The rbd-locks plugin of one node. Its judgement is a model, because no plugin may be linked here: it follows
// plugins/rbd-locks: owner.cpp and judge.cpp (who is dead), verdict.cpp, identify.cpp, leftover.cpp, rbd_locks.cpp (the
// order of the acts). A change there belongs here too. The hook shared-files is played by the same process.
#pragma once

#include "ceph.hpp"
#include "sdk/roles.hpp"
#include "worker.hpp"

namespace pvcd::sim {

struct World;

class RbdGuard {
 public:
  template <class Answer>
  using Reply = std::function<void(Answer)>;

  RbdGuard(World&, std::size_t node);

  void before_start(const VmStart&, const Reply<HookVerdict>&);
  void look_at_shared_files(const VmStart&, const Reply<HookVerdict>&);  // plugins/shared-files: shared_files.cpp
  void identify(const ImagesRequest&, const Reply<Identified>&);
  void after_stop(const VmStopped&, const Reply<Answer>&);
  void fence_storage(const StorageFenceRequest&, const Reply<StorageFenced>&);

  Worker worker;
  bool half_answers = false;

 private:
  struct Break {
    std::string image;
    std::string address;
    bool lock;
  };

  bool holds(const Permit&) const;
  bool reaches_ceph() const;
  std::vector<Break> left_elsewhere(const VmStart&) const;
  void break_next(std::vector<Break>, const Permit&, Events::Act all_broken, Events::Act too_late);

  World& world_;
  std::size_t node_;
};

}  // namespace pvcd::sim
