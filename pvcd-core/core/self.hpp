// This node as it may speak of itself now: which life it is, and until when it has the right to act.
#pragma once

#include <string>
#include <vector>

#include "logic/view.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {

struct Right {
  bool may_act =
      false;  // the session's proof is young (S5) and the store is not behind what this node has seen (rule 15)
  Instant not_after = 0;  // of everything that is permitted on its strength: sending time of the proof + D (rule 5)
  bool holds_at(Instant now) const { return may_act && now < not_after; }
};

class Self {
 public:
  explicit Self(const Settings& shared);

  const NodeName& name() const { return name_; }
  const BootId& boot() const { return boot_; }
  const std::vector<std::string>& storage_addresses() const { return storage_addresses_; }

  // The incarnation is 0 until the keepalive of this boot has joined.
  Life life(const logic::ClusterView&) const;
  Right right(const logic::ClusterView&, Instant now) const;

 private:
  NodeName name_;
  BootId boot_;
  std::vector<std::string> storage_addresses_;
  Microseconds proof_limit_ = 0;
};

// The keepalive hears the core's "shutdown" by datagram, and not while it is being restarted: that it was heard, only
// the live entry says. Also true where this life has no entry: then nothing there says that a core runs here.
bool shutdown_is_heard(const logic::ClusterView&, const Life& self);

}  // namespace pvcd::core
