// What would happen if: the coordinator's own logic on a copy of what is seen, until it has nothing more to do. Nothing
// is written anywhere.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "logic/coordinator.hpp"

namespace pvcd::logic {

struct Event {
  enum class Kind {
    Fail,       // these nodes lose power and are proven off
    Drain,      // this node gives its VMs away; each is stopped there before it starts elsewhere
    PowerLoss,  // every node loses power and comes back in a later boot
  };
  Kind kind;
  std::vector<NodeName> nodes;
};

// "fail node n3", "fail nodes n2,n3", "drain n2", "power-loss all"; else a sentence that says what is wrong.
std::variant<Event, std::string> parse_event(const std::string& text, const ClusterView&);

struct Rehearsal {
  struct Step {
    VmUuid vm;
    NodeName from;
    NodeName to;
    Generation generation = 0;
    Decision why;
  };
  struct Waiting {
    VmUuid vm;
    std::string why;
  };
  std::vector<Step> steps;  // in the order of their starts
  std::vector<Waiting> without_place;
  std::vector<std::string> notes;  // what the plan takes for granted and is not so now
};

Rehearsal rehearse(const ClusterView&, const Sights&, const Event&, const CoordinatorSettings&, Instant now);

}  // namespace pvcd::logic
