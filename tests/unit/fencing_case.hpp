// n1 is the primary and looks after n2, which owns a VM.
#pragma once

#include <catch2/catch.hpp>

#include "world.hpp"

namespace pvcd::logic::test {

// n1 is primary; n2 owns web1 and has beaten once.
struct FencingCase {
  World world;
  Coordinator n1{world};

  FencingCase() {
    world.own(web, "n2");
    world.run(web);
    n1.round().refresh();
  }
  // The others go on, n2 does not.
  FencingCase& silence(Microseconds time) {
    n1.wait(time);
    world.beat_all_but("n2");
    n1.round();
    return *this;
  }
  const PutFence* put() const { return n1.with_key<PutFence>("fence/n2"); }
  const PowerOff* off() const { return n1.with_key<PowerOff>("off/n2"); }
  const CommitEvidence* evidence() const { return n1.with_key<CommitEvidence>("evidence/boot-n2-1"); }
  std::vector<std::string> rejected() const { return n1.why("evidence/boot-n2-1").rejected; }
  bool reads() const { return n1.plans("read/n2"); }
  // The store took the fence that was just planned.
  void fence_is_seen() {
    REQUIRE(put());
    world.view.fences["n2"] = {put()->record, 60};
    n1.done("fence/n2");
  }
};

// n2 is lost and its fence is acting; the BMC has answered.
struct Acting : FencingCase {
  Acting() {
    world.lose("n2");
    n1.round();
    fence_is_seen();
    n1.round().read("n2", PowerState::On).round();
    fence_is_seen();
  }
};

}  // namespace pvcd::logic::test
