// Everything of one run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bmc.hpp"
#include "ceph.hpp"
#include "chronicle.hpp"
#include "core.hpp"
#include "elector.hpp"
#include "events.hpp"
#include "fencer.hpp"
#include "host.hpp"
#include "hypervisor.hpp"
#include "keepalive.hpp"
#include "network.hpp"
#include "oracle.hpp"
#include "random.hpp"
#include "rbd_guard.hpp"
#include "settings.hpp"
#include "store.hpp"
#include "tally.hpp"
#include "watchdog.hpp"

namespace pvcd::sim {

struct Node {
  Node(World&, std::size_t index);

  Host host;
  Bmc bmc;
  Keepalive keepalive;
  Core core;
  Elector elector;
  Hypervisor hypervisor;
  RbdGuard guard;
  Fencer fencer;
  Watchdog watchdog;
};

struct World {
  World(std::uint64_t seed, std::size_t nodes, bool tracing);

  Node& node(std::size_t index) { return *nodes[index]; }
  const Node& node(std::size_t index) const { return *nodes[index]; }
  std::size_t index_of(const NodeName&) const;

  void boot(std::size_t node);  // power on, then all units
  void disks_changed(std::size_t node, const VmUuid&);
  void domain_changed(std::size_t node, const VmUuid&);
  void needs_reboot(std::size_t node);
  void define(const VmRecord&);
  void set_maintenance(bool);  // somebody sees to it
  bool mishap(std::uint64_t percent) { return !calm && random.chance(percent); }

  template <class Text>
  void trace(Text text) {
    if (tracing) story.push_back(time_text() + "  " + text());
  }

  Events events;
  Random random;
  Network network;
  Store store;
  Ceph ceph;
  Oracle oracle;
  Chronicle chronicle;
  Tally tally;
  std::vector<NodeName> coordinators;
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<VmUuid, VmRecord> definitions;  // what libvirt would read from the XML
  bool store_out = false;                  // for everybody
  bool calm = false;                       // nothing goes wrong that nobody asked for
  bool tracing;
  std::vector<std::string> story;

 private:
  std::string time_text() const;
};

}  // namespace pvcd::sim
