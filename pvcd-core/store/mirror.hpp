// Keeps a copy of one flat directory of the store up to date: watches the directory and each entry, reads again after
// every change and after a lost session, and tells the owner from the loop. Levels, not events: several
// changes arrive as one call. The store must outlive its mirrors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "store/store.hpp"

namespace pvcd::store {

class Mirror {
 public:
  // watch_children: also notice children of the entries coming and going (Entry::children), for /live.
  Mirror(Store&, std::string directory, std::function<void()> changed, bool watch_children = false);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  bool complete()
      const;  // everything listed has been read at least once since the session began; else entries may be old
  const std::map<std::string, Entry>& entries() const;  // by name

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The same for a single entry.
class MirroredEntry {
 public:
  MirroredEntry(Store&, std::string path, std::function<void()> changed);
  ~MirroredEntry();
  MirroredEntry(const MirroredEntry&) = delete;
  MirroredEntry& operator=(const MirroredEntry&) = delete;

  bool complete() const;
  const Entry* entry() const;  // nullptr: absent or not read yet

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace pvcd::store
