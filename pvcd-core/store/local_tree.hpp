// The entries of the local back end and the rules of a transaction, as ZooKeeper has them. No loop, no sessions.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace pvcd::store {

class LocalTree {
 public:
  struct Changes {
    std::set<std::string> data;      // made, changed or removed
    std::set<std::string> children;  // a child came or went, or the entry itself went
  };

  LocalTree();

  // All or none; `changes` is filled when it is Ok.
  CommitResult apply(std::uint64_t session, const std::vector<Operation>&, Changes&);
  void remove_ephemerals(std::uint64_t session, Changes&);

  ReadResult get(const std::string& path) const;
  ReadResult list(const std::string& path) const;

 private:
  struct Node {
    Entry entry;
    std::uint64_t sequence = 0;  // children ever made: the number of the next sequential one
  };
  using Nodes = std::map<std::string, Node>;
  struct Attempt;

  Nodes nodes_;  // "" is the root
  std::uint64_t last_transaction_ = 0;
};

}  // namespace pvcd::store
