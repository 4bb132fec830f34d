#include "store/local_tree.hpp"

#include <cstdio>
#include <utility>

#include "store/paths.hpp"
#include "store/request.hpp"

namespace pvcd::store {
namespace {

std::string key_of(const std::string& path) { return path == "/" ? "" : path; }
std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string numbered(const std::string& path, std::uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%010llu", static_cast<unsigned long long>(number));
  return path + digits;
}

bool matches(Version wanted, Version found) { return wanted == any_version || wanted == found; }

}  // namespace

// A transaction on a copy of the entries, which replaces them if every operation succeeds: simple, and tests are small.
struct LocalTree::Attempt {
  Nodes nodes;
  std::uint64_t transaction;
  std::uint64_t session;
  CommitResult result;
  Changes changes;

  CommitCode run(const Check& check) {
    auto found = nodes.find(key_of(check.path));
    result.versions.push_back(0);
    if (found == nodes.end()) return CommitCode::NoEntry;
    return matches(check.version, found->second.entry.version) ? CommitCode::Ok : CommitCode::BadVersion;
  }

  CommitCode run(const Create& create) {
    auto parent = nodes.find(parent_of(create.path));
    result.versions.push_back(0);
    if (parent == nodes.end()) return CommitCode::NoEntry;
    if (parent->second.entry.ephemeral_owner != 0) return CommitCode::Invalid;
    auto path = create.sequential ? numbered(create.path, parent->second.sequence) : create.path;
    Node node;
    node.entry.data = create.data;
    node.entry.created = node.entry.changed = transaction;
    node.entry.ephemeral_owner = create.ephemeral ? session : 0;
    if (!nodes.emplace(path, node).second) return CommitCode::Exists;
    ++parent->second.sequence;
    ++parent->second.entry.children;
    changes.data.insert(path);
    changes.children.insert(parent->first);
    result.created.push_back(path);
    return CommitCode::Ok;
  }

  CommitCode run(const Set& set) {
    auto found = nodes.find(key_of(set.path));
    result.versions.push_back(0);
    if (found == nodes.end()) return CommitCode::NoEntry;
    auto& entry = found->second.entry;
    if (!matches(set.version, entry.version)) return CommitCode::BadVersion;
    entry.data = set.data;
    entry.changed = transaction;
    result.versions.back() = ++entry.version;
    changes.data.insert(found->first);
    return CommitCode::Ok;
  }

  CommitCode run(const Remove& remove) {
    auto found = nodes.find(remove.path);
    result.versions.push_back(0);
    if (found == nodes.end()) return CommitCode::NoEntry;
    if (!matches(remove.version, found->second.entry.version)) return CommitCode::BadVersion;
    if (found->second.entry.children > 0) return CommitCode::NotEmpty;
    nodes.erase(found);
    --nodes.at(parent_of(remove.path)).entry.children;
    changes.data.insert(remove.path);
    changes.children.insert(remove.path);
    changes.children.insert(parent_of(remove.path));
    return CommitCode::Ok;
  }
};

LocalTree::LocalTree() {
  nodes_.emplace("", Node{});
  std::vector<Operation> operations;
  for (const auto& directory : paths::directories) operations.push_back(Create{directory, ""});
  Changes unseen;
  apply(0, operations, unseen);
}

CommitResult LocalTree::apply(std::uint64_t session, const std::vector<Operation>& operations, Changes& changes) {
  Attempt attempt{nodes_, last_transaction_ + 1, session, {}, {}};
  for (std::size_t index = 0; index < operations.size(); ++index) {
    auto code = std::visit([&](const auto& operation) { return attempt.run(operation); }, operations[index]);
    if (code == CommitCode::Ok) continue;
    CommitResult refused;
    refused.code = code;
    refused.failed = index;
    return refused;
  }
  nodes_ = std::move(attempt.nodes);
  ++last_transaction_;
  changes = std::move(attempt.changes);
  attempt.result.code = CommitCode::Ok;
  return attempt.result;
}

void LocalTree::remove_ephemerals(std::uint64_t session, Changes& changes) {
  std::vector<Operation> operations;
  for (const auto& [path, node] : nodes_)
    if (node.entry.ephemeral_owner == session) operations.push_back(Remove{path});
  if (!operations.empty()) apply(session, operations, changes);
}

ReadResult LocalTree::get(const std::string& path) const {
  auto found = nodes_.find(key_of(path));
  ReadResult result;
  result.code = found == nodes_.end() ? ReadCode::NoEntry : ReadCode::Ok;
  if (result.code == ReadCode::Ok) result.entry = found->second.entry;
  return result;
}

ReadResult LocalTree::list(const std::string& path) const {
  auto result = get(path);
  if (result.code != ReadCode::Ok) return result;
  result.entry.data.clear();
  auto prefix = key_of(path) + "/";
  for (auto each = nodes_.lower_bound(prefix); each != nodes_.end() && each->first.starts_with(prefix); ++each)
    if (parent_of(each->first) == key_of(path)) result.children.push_back(name_of(each->first));
  return result;
}

}  // namespace pvcd::store
