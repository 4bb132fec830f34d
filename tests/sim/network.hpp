// Who reaches whom. Faults overlap, so cuts are counted; a cut has a direction.
#pragma once

#include <cstddef>
#include <vector>

namespace pvcd::sim {

class Network {
 public:
  explicit Network(std::size_t nodes) : nodes_(nodes), links_(nodes * nodes), bmc_(nodes * nodes), ceph_(nodes) {}

  std::size_t size() const { return nodes_; }
  bool passes(std::size_t from, std::size_t to) const { return from == to || links_[from * nodes_ + to] == 0; }
  bool both_ways(std::size_t a, std::size_t b) const { return passes(a, b) && passes(b, a); }
  bool reaches_bmc(std::size_t from, std::size_t bmc) const { return bmc_[from * nodes_ + bmc] == 0; }
  bool reaches_ceph(std::size_t node) const { return ceph_[node] == 0; }

  void cut(std::size_t from, std::size_t to, int change) { links_[from * nodes_ + to] += change; }
  void cut_bmc(std::size_t from, std::size_t bmc, int change) { bmc_[from * nodes_ + bmc] += change; }
  void cut_ceph(std::size_t node, int change) { ceph_[node] += change; }

 private:
  std::size_t nodes_;
  std::vector<int> links_, bmc_, ceph_;
};

}  // namespace pvcd::sim
