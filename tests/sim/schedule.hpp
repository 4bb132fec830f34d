// What is done to a cluster in one run: faults, and what people ask for. Made from the seed before the run begins, so
// that single entries can be left out when a failure is shrunk.
#pragma once

#include <string>
#include <vector>

#include "random.hpp"
#include "sdk/types.hpp"

namespace pvcd::sim {

enum class Deed {
  PowerCut,     // of a host, its BMC answers
  PowerCutBmc,  // with its BMC
  Reboot,       // in seconds
  FreezeHost,   // everything on it stands still, and goes on
  PauseCore,    // SIGSTOP
  PauseKeepalive,
  PauseElector,
  PauseHypervisor,
  PauseGuard,
  PauseFencer,
  PauseWatchdog,
  KillCore,
  KillKeepalive,
  KillElector,
  KillHypervisor,
  KillGuard,
  KillFencer,
  KillWatchdog,
  KillQemu,
  Leave,    // systemctl stop pvcd.target; started again later
  Isolate,  // from all other nodes and their BMCs; Ceph is another network
  OneWay,   // one direction of one link
  Split,    // into two groups
  CutCeph,
  HalfAnswers,  // of Ceph: who watches an image is not always told
  MapLag,       // OSDs learn late of a blocklist
  OsdHangs,     // one: nobody can be told what it knows
  StoreSlow,
  LoseLeader,
  StaleView,
  BmcDead,
  BmcSlow,
  BmcLies,
  BmcFlaps,
  BmcCut,  // one BMC from one node
  LibvirtHangs,
  PlugDisk,     // into a VM that runs, by hand
  FilesCopied,  // a host has a copy of the shared file system mounted in its place
  CreateFails,  // libvirt on a host, or on all, refuses to create any domain
  Unreadable,   // one record of the store, for everybody
  CrashLoop,
  HangRole,  // core and election of the primary, not its keepalive
  Switch,    // most others lose the store, which keeps its majority
  Strangers,
  ClockJump,  // of the wall clock, forth or back
  // people
  VmStart,
  VmShutdown,
  VmStop,
  VmDisable,
  VmRestart,
  VmMove,
  VmUndefine,
  VmDefine,
  NodeFence,
  ConfirmOff,
  ConfirmWrongly,  // about a node that lives
  VerifyFence,
  BecomePrimary,
  StepDown,
  Maintenance,
};
inline constexpr std::size_t deed_count = static_cast<std::size_t>(Deed::Maintenance) + 1;
const char* name_of(Deed);

struct Planned {
  Instant at = 0;
  Deed deed = Deed::PowerCut;
  std::size_t node = 0;
  std::size_t other = 0;
  Microseconds duration = 0;
  std::uint64_t value = 0;
  bool at_primary = false;   // whichever node is it then, instead of `node`
  bool in_election = false;  // not before the cluster has no primary, if it loses it soon
};
std::string describe(const Planned&);

using Schedule = std::vector<Planned>;

inline constexpr Instant faults_begin = seconds(7);

Schedule make_schedule(Random&, std::size_t nodes);
Instant end_of(const Schedule&);  // from here on everything works again

}  // namespace pvcd::sim
