// What this node has seen of the store, on its own disk: a store that is behind it has lost writes or is another
// cluster, and then nobody here starts or fences anything until an operator has decided (safety rule 15).
#pragma once

#include <map>
#include <string>

#include "logic/view.hpp"

namespace pvcd::core {

struct Marks {
  std::string cluster_id;
  Epoch epoch = 0;
  std::map<VmUuid, Generation> generations;
  bool operator==(const Marks&) const = default;
};

// Pure: what is wrong with the view, naming both values; empty: nothing.
std::string behind(const Marks&, const logic::ClusterView&);
Marks raised(const Marks&, const logic::ClusterView&);

class HighWater {
 public:
  explicit HighWater(std::string file);  // throws Error when it is there and cannot be read as one

  // Compares, then remembers (synced). Empty: this store may be acted on.
  std::string check(const logic::ClusterView&);
  bool has_cluster() const { return !marks_.cluster_id.empty(); }

 private:
  void save(const Marks&) const;
  std::string file_;
  Marks marks_;
};

}  // namespace pvcd::core
