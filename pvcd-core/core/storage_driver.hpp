// While this node is the primary: asks the storage plugin for its figures, one question at a time, and writes them to
// the store under the epoch, the summary last. When there is no answer, or half of one, it says so there; what it keeps
// grows old.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/cluster.hpp"
#include "core/plugins.hpp"
#include "core/self.hpp"
#include "core/storage_view.hpp"
#include "sdk/roles.hpp"

namespace pvcd::core {

class StorageDriver {
 public:
  using Ask = std::function<void(Plugins::PermitNow, Plugins::Answered<StorageSurvey>)>;

  StorageDriver(Cluster&, StorageView&, Ask, Microseconds interval);

  void round(const Right&, Instant now, bool primary);

 private:
  using Transaction = std::vector<store::Operation>;

  void begin_as_primary(Instant now);
  void ask(Instant now);
  void take(StorageSurvey, Instant asked_at);
  void keep_old(const std::string& why);
  void write(std::vector<Transaction>, StorageRecord, Instant true_at);
  void write_summary(StorageRecord, std::optional<Instant> true_at);
  void commit(Transaction, std::function<void()> done);
  void tell(const std::string& note);

  Cluster& cluster_;
  StorageView& view_;
  const Ask ask_;
  const Microseconds interval_;
  Right right_;  // as of the last round
  bool primary_ = false;
  bool busy_ = false;               // from a question to the end of its writes
  Instant not_before_ = 0;          // of the next question
  Transaction guard_;               // the leadership that the question was asked under
  std::optional<Instant> true_at_;  // when the newest figures were; nothing: not known
  std::optional<std::string> told_;
  Instant told_at_ = 0;
};

}  // namespace pvcd::core
