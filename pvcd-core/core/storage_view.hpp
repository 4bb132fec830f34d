// The storage figures as this node reads them, with their age. Apart from Cluster, because nothing is decided from
// them: a new cycle wakes no round.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/storage_records.hpp"
#include "runtime/loop.hpp"
#include "store/mirror.hpp"
#include "store/store.hpp"

namespace pvcd::core {

struct StorageFigures {
  std::optional<StorageRecord> summary;
  std::map<std::uint32_t, OsdFacts> osds;
  std::map<std::string, std::string> broken;  // entry -> what is wrong with it; nothing of it is shown
};

class StorageView {
 public:
  StorageView(store::Store&, runtime::Loop&);

  const StorageFigures& figures() const { return figures_; }
  const StoredEntries& entries() const { return mirror_.entries(); }
  bool complete() const;  // of this session of the store, everything has been read

  // Nothing: not known, because this node has not seen them change yet, or nobody ever had any.
  std::optional<Microseconds> age(Instant now) const { return age_.at(now); }

  void on_change(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }

 private:
  void changed();
  void look();
  void rebuild();
  void read_summary(const store::Entry&);
  void read_page(const std::string& name, const std::string& data);

  // A page as it was read last: decoding is most of the work, and what has not changed stays.
  struct Page {
    std::string data;
    std::vector<OsdFacts> osds;
    std::string wrong;
  };

  store::Store& store_;
  runtime::Loop& loop_;
  StorageFigures figures_;
  std::map<std::string, Page> pages_;
  std::optional<FigureAge::Version> written_;
  FigureAge age_;
  bool rebuild_pending_ = false;
  std::vector<std::function<void()>> listeners_;
  store::Mirror mirror_;
  runtime::Timer look_;
};

}  // namespace pvcd::core
