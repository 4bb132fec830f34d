// Whether this node may begin a new liveness session, and by which transaction. Pure.
//
// What excludes what (safety rules 4 and 13):
// - Every join sets /nodes/<node> at the version that was read; fences and evidence check that version, so what was
//   decided about the old incarnation fails once the join is done.
// - They only check it, so one that was committed between our reading and our join would not stop the join. Therefore
//   the join's transaction also shows that the fence record is as it was read and that there is no evidence about this
//   boot.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "sdk/change.hpp"

namespace pvcd::keepalive {

template <class Record>
struct Found {
  Record value;
  Version version = 0;
};

// What the store says about this node and its neighbours, read after a sync.
struct ClusterLook {
  std::map<NodeName, Found<NodeRecord>> nodes;
  std::optional<Found<FenceRecord>> fence;  // about this node
  bool evidence = false;                    // about this boot
  std::uint64_t session_owner = 0;  // of the session entry of this node's recorded incarnation; 0: there is none
  std::optional<LiveRecord> live;   // of the same incarnation
};

struct OwnFacts {
  NodeRecord node;            // as it is now; the incarnation is decided here
  std::uint64_t session = 0;  // of the store
  Microseconds session_timeout_wanted = 0;
  Microseconds session_timeout_granted = 0;
  std::uint64_t time = 0;  // wall clock, for people
};

// The session of a former process of this keepalive goes on; `changes` bring the node record up to date, if it is
// not.
struct Resume {
  LiveRecord live;  // what the former process published last
  Changes changes;
};
struct Join {
  Incarnation incarnation = 0;
  DaemonState word = DaemonState::Init;  // until the core says another
  Changes changes;
};
struct Wait {  // ends by itself
  std::string reason;
};
struct Refuse {  // ends when somebody does something
  std::string reason;
};
using JoinDecision = std::variant<Resume, Join, Wait, Refuse>;

JoinDecision decide_join(const ClusterLook&, const OwnFacts&);

// The number behind "<node>." in a name of /live; nothing if it is another node's.
std::optional<Incarnation> incarnation_of(const std::string& live_name, const NodeName& node);

}  // namespace pvcd::keepalive
