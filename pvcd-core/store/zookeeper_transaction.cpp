#include "store/zookeeper_transaction.hpp"

#include <utility>

#include "store/request.hpp"

namespace pvcd::store {
namespace {

// What ZooKeeper appends to the name of a sequential entry.
constexpr std::size_t sequence_digits = 10;

}  // namespace

CommitCode commit_code(int code) {
  switch (code) {
    case ZOK:
      return CommitCode::Ok;
    case ZNONODE:
      return CommitCode::NoEntry;
    case ZNODEEXISTS:
      return CommitCode::Exists;
    case ZBADVERSION:
      return CommitCode::BadVersion;
    case ZNOTEMPTY:
      return CommitCode::NotEmpty;
    case ZNOAUTH:
    case ZAUTHFAILED:
    case ZINVALIDACL:
      return CommitCode::Denied;
    case ZBADARGUMENTS:
    case ZNOCHILDRENFOREPHEMERALS:
      return CommitCode::Invalid;
    default:
      return CommitCode::Unknown;  // above all a lost connection: it may have happened
  }
}

ReadCode read_code(int code) {
  switch (commit_code(code)) {
    case CommitCode::Ok:
      return ReadCode::Ok;
    case CommitCode::NoEntry:
      return ReadCode::NoEntry;
    case CommitCode::Denied:
      return ReadCode::Denied;
    default:
      return ReadCode::Unknown;
  }
}

Transaction::Transaction(std::string root, std::vector<Operation> operations, Committed done)
    : root_(std::move(root)),
      operations_(std::move(operations)),
      done_(std::move(done)),
      paths_(operations_.size()),
      made_(operations_.size()),
      statuses_(operations_.size()),
      library_operations_(operations_.size()),
      results_(operations_.size()) {
  for (std::size_t index = 0; index < operations_.size(); ++index) {
    auto& path = path_of(operations_[index]);
    paths_[index] = path == "/" ? root_ : root_ + path;
    std::visit([&](const auto& operation) { fill(index, operation); }, operations_[index]);
  }
}

int Transaction::send(zhandle_t* handle, void_completion_t answered, const void* context) {
  sent_at_ = boottime_now();
  return zoo_amulti(handle, static_cast<int>(operations_.size()), library_operations_.data(), results_.data(), answered,
                    context);
}

void Transaction::answer(int code) const {
  CommitResult result;
  result.code = commit_code(code);
  result.sent_at = sent_at_;
  if (result.code == CommitCode::Ok)
    collect(result);
  else if (result.code != CommitCode::Unknown)
    result.failed = guilty();
  if (done_) done_(result);
}

void Transaction::fill(std::size_t index, const Check& check) {
  zoo_check_op_init(&library_operations_[index], paths_[index].c_str(), check.version);
}
void Transaction::fill(std::size_t index, const Create& create) {
  int flags = (create.ephemeral ? ZOO_EPHEMERAL : 0) | (create.sequential ? ZOO_SEQUENCE : 0);
  auto& made = made_[index];
  made.resize(paths_[index].size() + sequence_digits + 1);
  zoo_create_op_init(&library_operations_[index], paths_[index].c_str(), create.data.data(),
                     static_cast<int>(create.data.size()), &ZOO_CREATOR_ALL_ACL, flags, made.data(),
                     static_cast<int>(made.size()));
}
void Transaction::fill(std::size_t index, const Set& set) {
  zoo_set_op_init(&library_operations_[index], paths_[index].c_str(), set.data.data(),
                  static_cast<int>(set.data.size()), set.version, &statuses_[index]);
}
void Transaction::fill(std::size_t index, const Remove& remove) {
  zoo_delete_op_init(&library_operations_[index], paths_[index].c_str(), remove.version);
}

void Transaction::collect(CommitResult& result) const {
  for (std::size_t index = 0; index < operations_.size(); ++index) {
    if (std::holds_alternative<Create>(operations_[index]))
      result.created.push_back(made_[index].c_str() + root_.size());
    result.versions.push_back(statuses_[index].version);
  }
}

// The operations before the guilty one are answered with ZOK, those after it with ZRUNTIMEINCONSISTENCY.
std::size_t Transaction::guilty() const {
  for (std::size_t index = 0; index < results_.size(); ++index)
    if (results_[index].err != ZOK) return index;
  return 0;
}

}  // namespace pvcd::store
