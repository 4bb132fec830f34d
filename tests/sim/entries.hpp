// What the store holds, and what a transaction does to it: all of its changes or none.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sdk/change.hpp"

namespace pvcd::sim {

struct Entry {
  Record record;
  Version version = 0;
  std::uint64_t session = 0;  // of an ephemeral entry
};
using EntryPointer = std::shared_ptr<const Entry>;  // none: it does not exist

struct CommitOutcome {
  CommitCode code = CommitCode::Unknown;
  std::size_t failed = 0;
  bool expired = false;  // the session has; nothing was done
};

class Entries {
 public:
  struct Changed {
    Key key;
    EntryPointer before, after;
  };

  // `changed` is what became of which entries, in their order.
  CommitOutcome apply(const Changes&, std::uint64_t session, std::vector<Changed>& changed);

  // What a transaction of the past has made of one entry.
  void replay(const Key&, const EntryPointer&);

  EntryPointer find(const Key&) const;
  const std::map<Key, EntryPointer>& all() const { return entries_; }

 private:
  CommitCode apply_one(const Change&, std::uint64_t session, std::vector<Changed>&);
  CommitCode put(const Put&, std::uint64_t session, std::vector<Changed>&);
  Key next_link(const VmUuid&) const;
  CommitCode at_version(const Key&, Version) const;
  void set(const Key&, EntryPointer, std::vector<Changed>&);

  std::map<Key, EntryPointer> entries_;
  std::uint64_t next_job_ = 0;
};

template <class Value>
const Value* value_in(const Entry* entry) {
  return entry ? &std::get<Value>(entry->record) : nullptr;
}
template <class Value>
const Value* find(const Entries& entries, Kind kind, const std::string& name = {}) {
  return value_in<Value>(entries.find({kind, name}).get());
}

}  // namespace pvcd::sim
