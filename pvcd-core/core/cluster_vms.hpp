// Tells libvirt's hook, which runs without pvcd, the bus and the store, which VMs are the cluster's.
#pragma once

#include <set>
#include <string>

#include "logic/view.hpp"

namespace pvcd::core {

// Pure. A VM whose record cannot be read is one all the same.
std::set<VmUuid> cluster_vms(const logic::ClusterView&);

class ClusterVms {
 public:
  explicit ClusterVms(std::string file) : file_(std::move(file)) {}

  // Of a whole view of the right store: who forgets a VM lets it be started by hand. Empty, or why it was not kept.
  std::string keep(const logic::ClusterView&);

 private:
  std::string file_;
  std::string kept_;
  bool read_ = false;
};

}  // namespace pvcd::core
