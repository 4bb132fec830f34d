#include "entries.hpp"

#include <algorithm>

namespace pvcd::sim {
namespace {

template <class... Each>
struct Overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
Overloaded(Each...) -> Overloaded<Each...>;

Key parent_of(const Key& session) { return {Kind::Live, session.name}; }
Key child_of(const Key& live) { return {Kind::Session, live.name}; }

}  // namespace

EntryPointer Entries::find(const Key& key) const {
  auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second;
}

CommitOutcome Entries::apply(const Changes& changes, std::uint64_t session, std::vector<Changed>& changed) {
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const CommitCode code = apply_one(changes[i], session, changed);
    if (code == CommitCode::Ok) continue;
    for (auto each = changed.rbegin(); each != changed.rend(); ++each) {
      if (each->before)
        entries_[each->key] = each->before;
      else
        entries_.erase(each->key);
    }
    changed.clear();
    return {code, i, false};
  }
  for (Changed& each : changed) each.after = find(each.key);
  return {CommitCode::Ok};
}

void Entries::replay(const Key& key, const EntryPointer& entry) {
  if (key.kind == Kind::Job) next_job_ = std::max(next_job_, *number_of(key.name) + 1);
  if (entry)
    entries_[key] = entry;
  else
    entries_.erase(key);
}

void Entries::set(const Key& key, EntryPointer entry, std::vector<Changed>& changed) {
  changed.push_back({key, find(key), nullptr});
  if (entry)
    entries_[key] = std::move(entry);
  else
    entries_.erase(key);
}

CommitCode Entries::at_version(const Key& key, Version version) const {
  const EntryPointer entry = find(key);
  if (!entry) return CommitCode::NoEntry;
  return version == any_version || entry->version == version ? CommitCode::Ok : CommitCode::BadVersion;
}

Key Entries::next_link(const VmUuid& vm) const {
  std::uint64_t number = 0;
  while (find(link_key(vm, number))) ++number;
  return link_key(vm, number);
}

CommitCode Entries::put(const Put& put, std::uint64_t session, std::vector<Changed>& changed) {
  const bool ephemeral = put.key.kind == Kind::Session;
  if (put.replaces) {
    const CommitCode code = at_version(put.key, *put.replaces);
    if (code != CommitCode::Ok) return code;
    set(put.key, std::make_shared<Entry>(Entry{put.record, find(put.key)->version + 1, 0}), changed);
    return CommitCode::Ok;
  }
  if (find(put.key)) return CommitCode::Exists;
  if (ephemeral && !find(parent_of(put.key))) return CommitCode::NoEntry;
  set(put.key, std::make_shared<Entry>(Entry{put.record, 0, ephemeral ? session : 0}), changed);
  return CommitCode::Ok;
}

CommitCode Entries::apply_one(const Change& change, std::uint64_t session, std::vector<Changed>& changed) {
  return std::visit(Overloaded{
                        [&](const Check& check) { return at_version(check.key, check.version); },
                        [&](const Absent& absent) {  // as a store does it: it creates and removes
                          const bool orphan = absent.key.kind == Kind::Session && !find(parent_of(absent.key));
                          if (orphan) return CommitCode::NoEntry;
                          return find(absent.key) ? CommitCode::Exists : CommitCode::Ok;
                        },
                        [&](const Put& one) { return put(one, session, changed); },
                        [&](const Append& append) {
                          if (append.kind == Kind::Decision) return CommitCode::Ok;  // nothing here reads them
                          const Key key = append.kind == Kind::Link ? next_link(append.parent) : job_key(next_job_++);
                          set(key, std::make_shared<Entry>(Entry{append.record, 0, 0}), changed);
                          return CommitCode::Ok;
                        },
                        [&](const Remove& remove) {
                          const CommitCode code = at_version(remove.key, remove.version);
                          if (code != CommitCode::Ok) return code;
                          if (remove.key.kind == Kind::Live && find(child_of(remove.key))) return CommitCode::NotEmpty;
                          set(remove.key, nullptr, changed);
                          return CommitCode::Ok;
                        },
                    },
                    change);
}

}  // namespace pvcd::sim
