#include "core/decision_log.hpp"

#include <algorithm>
#include <utility>

#include "logic/transactions.hpp"
#include "store/changes.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

void DecisionLog::trim() {
  if (!std::exchange(trimming_, true)) remove_oldest(logic::epoch_guard(cluster_.view()));
}

void DecisionLog::remove_oldest(Changes guard) {
  cluster_.store().list(store::paths::decisions, [this, guard = std::move(guard)](const store::ReadResult& result) {
    trimming_ = result.code == store::ReadCode::Ok && result.children.size() > kept;
    if (!trimming_) return;
    auto names = result.children;
    std::sort(names.begin(), names.end());
    names.resize(std::min(names.size() - kept, removed_at_once));
    Changes changes = guard;
    for (const std::string& name : names) changes.push_back(Remove{{Kind::Decision, name}});
    store::commit(cluster_.store(), changes, [this, guard](const store::CommitResult& removed) {
      trimming_ = removed.code == store::CommitCode::Ok;
      if (trimming_) remove_oldest(guard);
    });
  });
}

}  // namespace pvcd::core
