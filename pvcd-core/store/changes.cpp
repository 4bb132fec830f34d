#include "store/changes.hpp"

#include <utility>

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::store {

namespace {

const std::string& directory_of(Kind kind) {
  switch (kind) {
    case Kind::Cluster:
      return paths::cluster;
    case Kind::Leader:
      return paths::leader;
    case Kind::Node:
      return paths::nodes;
    case Kind::Live:
    case Kind::Session:
      return paths::live;
    case Kind::Readiness:
      return paths::readiness;
    case Kind::Role:
      return paths::roles;
    case Kind::Vm:
      return paths::vms;
    case Kind::Name:
      return paths::names;
    case Kind::Image:
      return paths::images;
    case Kind::Owner:
    case Kind::Link:
      return paths::owners;
    case Kind::Run:
      return paths::runs;
    case Kind::Waiting:
      return paths::waiting;
    case Kind::Fence:
      return paths::fences;
    case Kind::Evidence:
      return paths::evidence;
    case Kind::Witness:
      return paths::witnesses;
    case Kind::Job:
      return paths::jobs;
    case Kind::Decision:
      break;
  }
  return paths::decisions;
}

std::string text_of(const Record& record) {
  return std::visit(
      []<class One>(const One& one) -> std::string {
        if constexpr (std::is_same_v<One, std::monostate>)
          return {};
        else if constexpr (std::is_same_v<One, std::string>)
          return one;
        else
          return encode(one);
      },
      record);
}

std::string sequence_prefix(const Append& change) {
  switch (change.kind) {
    case Kind::Job:
      return "j";
    case Kind::Link:
      return change.parent + "/l";
    default:
      return "d";
  }
}

// Each change becomes one operation, but for an absence: what is created and removed in one transaction was absent.
void add(std::vector<Operation>& to, const pvcd::Check& change) {
  to.push_back(Check{paths::of(change.key), change.version});
}
void add(std::vector<Operation>& to, const pvcd::Absent& change) {
  to.push_back(Create{paths::of(change.key), {}});
  to.push_back(Remove{paths::of(change.key)});
}
void add(std::vector<Operation>& to, const pvcd::Put& change) {
  std::string path = paths::of(change.key);
  if (change.replaces)
    to.push_back(Set{std::move(path), text_of(change.record), *change.replaces});
  else
    to.push_back(Create{std::move(path), text_of(change.record), change.key.kind == Kind::Session});
}
void add(std::vector<Operation>& to, const pvcd::Append& change) {
  to.push_back(
      Create{paths::under(directory_of(change.kind), sequence_prefix(change)), text_of(change.record), false, true});
}
void add(std::vector<Operation>& to, const pvcd::Remove& change) {
  to.push_back(Remove{paths::of(change.key), change.version});
}

// What each operation came from.
std::vector<std::size_t> origins(const Changes& changes) {
  std::vector<std::size_t> origins;
  for (std::size_t i = 0; i < changes.size(); ++i)
    origins.insert(origins.end(), std::holds_alternative<pvcd::Absent>(changes[i]) ? 2 : 1, i);
  return origins;
}

}  // namespace

std::string paths::of(const Key& key) {
  const std::string& directory = directory_of(key.kind);
  if (key.kind == Kind::Cluster || key.kind == Kind::Leader) return directory;
  return under(directory, key.name) + (key.kind == Kind::Session ? "/session" : "");
}

std::vector<Operation> operations_of(const Changes& changes) {
  std::vector<Operation> operations;
  for (const Change& change : changes) std::visit([&](const auto& one) { add(operations, one); }, change);
  return operations;
}

void commit(Store& store, const Changes& changes, Committed committed) {
  auto translated = [origins = origins(changes), committed = std::move(committed)](CommitResult result) {
    if (result.failed < origins.size()) result.failed = origins[result.failed];
    committed(result);
  };
  store.commit(operations_of(changes), std::move(translated));
}

}  // namespace pvcd::store
