// The cluster as this node sees it: a mirror of the store, decoded. One instance; everybody else in the core reads
// view().
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "logic/view.hpp"
#include "store/store.hpp"

namespace pvcd::runtime {
class Loop;
}

namespace pvcd::core {

class Cluster {
 public:
  Cluster(store::Store&, runtime::Loop&);
  ~Cluster();

  const logic::ClusterView& view() const;
  store::Store& store();

  // Called once after any number of changes, from the loop (never from inside view()).
  void on_change(std::function<void()>);

  // The session's state changed: the view is made again even if no entry did.
  void refresh();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pvcd::core
