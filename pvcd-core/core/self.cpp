#include "core/self.hpp"

#include <fstream>

#include "runtime/config.hpp"
#include "runtime/proof.hpp"

namespace pvcd::core {
namespace {

BootId read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  BootId boot;
  if (!(file >> boot)) throw Error("/proc/sys/kernel/random/boot_id cannot be read: /proc must be mounted");
  return boot;
}

}  // namespace

Self::Self(const Settings& shared)
    : name_(shared.text("node.name")),
      boot_(read_boot_id()),
      storage_addresses_(shared.list("node.storage_addresses")),
      proof_limit_(runtime::session_timings(shared).proof_limit) {}

Life Self::life(const logic::ClusterView& view) const {
  auto node = view.nodes.find(name_);
  const bool joined = node != view.nodes.end() && node->second.value.boot == boot_;
  return {name_, boot_, joined ? node->second.value.incarnation : 0};
}

Right Self::right(const logic::ClusterView& view, Instant now) const {
  const auto proof = runtime::read_proof();
  if (!proof || proof->life != life(view) || proof->sent_at > now) return {};
  const Instant not_after = proof->sent_at + proof_limit_;
  return {now < not_after, not_after};
}

bool shutdown_is_heard(const logic::ClusterView& view, const Life& self) {
  if (!view.complete) return false;
  const auto live = view.live.find({self.node, self.incarnation});
  if (live == view.live.end()) return true;
  const DaemonState said = live->second.value.daemon_state;
  return said == DaemonState::Shutdown || is_leaving(said);
}

}  // namespace pvcd::core
