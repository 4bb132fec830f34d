// One transaction under way at a ZooKeeper server, and what the server's codes mean.
#pragma once

#include <zookeeper/zookeeper.h>

#include <string>
#include <vector>

#include "store/store.hpp"

namespace pvcd::store {

CommitCode commit_code(int code);
ReadCode read_code(int code);

// The library keeps pointers into it until it is answered.
class Transaction {
 public:
  Transaction(std::string root, std::vector<Operation>, Committed);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  int send(zhandle_t*, void_completion_t answered, const void* context);
  void answer(int code) const;

 private:
  void fill(std::size_t index, const Check&);
  void fill(std::size_t index, const Create&);
  void fill(std::size_t index, const Set&);
  void fill(std::size_t index, const Remove&);
  void collect(CommitResult&) const;
  std::size_t guilty() const;

  std::string root_;
  std::vector<Operation> operations_;
  Committed done_;
  std::vector<std::string> paths_;
  std::vector<std::string> made_;  // buffers for the paths of what is created
  std::vector<Stat> statuses_;
  std::vector<zoo_op_t> library_operations_;
  std::vector<zoo_op_result_t> results_;
  Instant sent_at_ = 0;
};

}  // namespace pvcd::store
