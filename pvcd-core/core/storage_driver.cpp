#include "core/storage_driver.hpp"

#include <algorithm>
#include <utility>

#include "logic/transactions.hpp"
#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "store/changes.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

namespace {

namespace paths = store::paths;

// What is wrong may change from cycle to cycle; the journal need not have all of it.
constexpr Microseconds tell_interval = seconds(60);

const std::string summary_path = paths::under(paths::storage, paths::summary_name);

}  // namespace

StorageDriver::StorageDriver(Cluster& cluster, StorageView& view, Ask ask, Microseconds interval)
    : cluster_(cluster), view_(view), ask_(std::move(ask)), interval_(interval) {}

void StorageDriver::round(const Right& right, Instant now, bool primary) {
  right_ = right;
  if (primary && !std::exchange(primary_, primary)) begin_as_primary(now);
  primary_ = primary;
  if (primary && right.holds_at(now) && !busy_ && now >= not_before_ && view_.complete()) ask(now);
}

// The figures of the primary before, or of this core before it was started again, are as old as they are.
void StorageDriver::begin_as_primary(Instant now) {
  const std::optional<Microseconds> age = view_.age(now);
  true_at_ = age ? std::optional(now - std::min(*age, now)) : std::nullopt;
}

void StorageDriver::ask(Instant now) {
  busy_ = true;
  not_before_ = now + interval_;
  guard_ = store::operations_of(logic::epoch_guard(cluster_.view()));
  const Epoch epoch = logic::epoch_of(cluster_.view());
  const auto permit = [this, epoch]() -> std::optional<Permit> {
    if (!primary_ || !right_.holds_at(runtime::boottime_us())) return std::nullopt;
    return Permit{right_.not_after, epoch};
  };
  ask_(permit, [this, now](StorageSurvey survey) { take(std::move(survey), now); });
}

void StorageDriver::take(StorageSurvey survey, Instant asked_at) {
  if (!primary_) {
    busy_ = false;
    return;
  }
  tell(survey.note);
  if (survey.outcome != Outcome::Done) return keep_old(survey.note);
  StorageRecord record;
  record.note = std::move(survey.note);
  record.health = std::move(survey.health);
  record.pools = std::move(survey.pools);
  write(page_writes(view_.entries(), survey.osds), std::move(record), asked_at);
}

// Nobody needs to hear again and again that there never was anything.
void StorageDriver::keep_old(const std::string& why) {
  const std::optional<StorageRecord>& last = view_.figures().summary;
  StorageRecord record = last.value_or(StorageRecord{});
  const bool is_said = last && last->note == why;
  record.note = why;
  if (!true_at_ && is_said) {
    busy_ = false;
    return;
  }
  write_summary(std::move(record), true_at_);
}

// The summary, which has the age, comes when all pages have been written: they may be younger than it says, never
// older.
void StorageDriver::write(std::vector<Transaction> rest, StorageRecord record, Instant true_at) {
  if (rest.empty()) return write_summary(std::move(record), true_at);
  Transaction next = std::move(rest.front());
  rest.erase(rest.begin());
  commit(std::move(next), [this, rest = std::move(rest), record = std::move(record), true_at]() mutable {
    write(std::move(rest), std::move(record), true_at);
  });
}

void StorageDriver::write_summary(StorageRecord record, std::optional<Instant> true_at) {
  const std::optional<StorageRecord>& last = view_.figures().summary;
  record.cycle = last ? last->cycle + 1 : 1;
  record.age = true_at ? std::optional(runtime::boottime_us() - *true_at) : std::nullopt;
  const auto there = view_.entries().find(paths::summary_name);
  store::Operation operation = store::Create{summary_path, store::encode(record)};
  if (there != view_.entries().end())
    operation = store::Set{summary_path, store::encode(record), there->second.version};
  commit({std::move(operation)}, [this, true_at] {
    true_at_ = true_at;
    busy_ = false;
  });
}

// What the store refuses or does not answer is left to the next cycle, which begins with what it finds.
void StorageDriver::commit(Transaction operations, std::function<void()> done) {
  if (!primary_ || !right_.holds_at(runtime::boottime_us())) {
    busy_ = false;
    return;
  }
  operations.insert(operations.begin(), guard_.begin(), guard_.end());
  cluster_.store().commit(std::move(operations), [this, done = std::move(done)](const store::CommitResult& result) {
    if (result.code == CommitCode::Ok) return done();
    if (primary_) tell("the store did not take the figures of this cycle");
    busy_ = false;
  });
}

void StorageDriver::tell(const std::string& note) {
  const Instant now = runtime::boottime_us();
  if (told_ == note || (told_ && now - told_at_ < tell_interval)) return;
  if (told_ || !note.empty())
    runtime::log(note.empty() ? Level::Info : Level::Notice,
                 note.empty() ? "the storage figures are complete" : "storage figures: " + note);
  told_ = note;
  told_at_ = now;
}

}  // namespace pvcd::core
