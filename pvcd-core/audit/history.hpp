// Did each VM have one writer at a time? Told afterwards from its history, and from nothing else: this shares no code
// with the decisions that it checks. Pure.
//
// The chain of a start: a primary assigned the generation to this very life; before that, the owner of the generation
// before released it, or there was evidence about its boot that is not older than its ownership; and so on back to
// generation 1, or to where the history that is kept begins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd::audit {

struct NumberedLink {
  std::uint64_t number = 0;        // that the store gave it, per VM, from 0 on without a gap
  std::optional<LinkRecord> link;  // absent: it cannot be read
  std::string problem;             // then: why
};

struct VmHistory {
  VmUuid uuid;
  std::string name;  // empty: the VM is not defined any more
  std::vector<NumberedLink> links;
};

struct Finding {
  std::size_t starts = 0;
  std::vector<std::string> broken;  // a sentence for each start whose chain is broken
};

Finding check(const VmHistory&);

}  // namespace pvcd::audit
