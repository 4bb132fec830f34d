#include "core/unit_decisions.hpp"

#include <algorithm>

#include "core/small_file.hpp"
#include "runtime/journal.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

namespace paths = store::paths;

struct UnitDecisions::Look {
  Trigger trigger;
  std::uint64_t join = 0;             // the store's transaction that was it; 0: it has been announced
  bool join_found = false;            // its record is there still
  std::optional<std::uint64_t> from;  // what was there at the last look is not new
  std::uint64_t next = 0;             // number after the newest one that is there now
  bool failed = false;                // something could not be read: it is looked again
  std::size_t outstanding = 0;
  std::map<std::uint64_t, std::pair<std::string, DecisionRecord>> found;  // by number, with its path
};

UnitDecisions::UnitDecisions(Cluster& cluster, Decisions& decisions, NodeName self, std::string file)
    : cluster_(cluster),
      decisions_(decisions),
      self_(std::move(self)),
      file_(std::move(file)),
      alive_(std::make_shared<std::monostate>()) {}

void UnitDecisions::round(Incarnation self) {
  const auto& view = cluster_.view();
  if (looking_ || !view.complete) return;
  Trigger now{std::nullopt, self};
  if (view.leader && view.leader->value.node == self_) now.leader = view.leader->version;
  if (now == looked_for_) return;
  looking_ = true;
  auto look = std::make_shared<Look>();
  look->trigger = now;
  look->from = next_;
  if (now.incarnation == 0 || is_join_announced(now.incarnation)) return list(look);
  find_join(look);
}

// The entry of this life was made in the transaction of its join, and by nothing else.
void UnitDecisions::find_join(const std::shared_ptr<Look>& look) {
  const std::string path = paths::live_entry(self_, look->trigger.incarnation);
  cluster_.store().get_existing(path, [this, alive = std::weak_ptr(alive_), look](const store::ReadResult& result) {
    if (alive.expired()) return;
    look->failed = result.code == store::ReadCode::Unknown;
    if (result.code == store::ReadCode::Ok) look->join = result.entry.created;
    list(look);
  });
}

void UnitDecisions::list(const std::shared_ptr<Look>& look) {
  cluster_.store().list(paths::decisions, [this, alive = std::weak_ptr(alive_), look](const store::ReadResult& result) {
    if (alive.expired()) return;
    look->failed = look->failed || result.code != store::ReadCode::Ok;
    if (look->failed) return finish(*look);
    auto names = result.children;
    std::sort(names.begin(), names.end());
    if (!names.empty()) look->next = number_of(names.back()).value_or(0) + 1;
    if (names.size() > read_max) names.erase(names.begin(), names.end() - static_cast<std::ptrdiff_t>(read_max));
    read(look, std::move(names));
  });
}

// At the first look nothing is new but the join: what was decided before is as old as the core that announced it.
void UnitDecisions::read(const std::shared_ptr<Look>& look, std::vector<std::string> names) {
  const auto is_new = [&](std::uint64_t number) { return look->from && number >= *look->from; };
  std::erase_if(names, [&](const std::string& name) {
    const auto number = number_of(name);
    return !number || decisions_.has_announced(*number) || (!is_new(*number) && look->join == 0);
  });
  look->outstanding = names.size();
  if (names.empty()) return finish(*look);
  for (const std::string& name : names) {
    const std::string path = paths::under(paths::decisions, name);
    const std::uint64_t number = *number_of(name);
    auto take = [this, alive = std::weak_ptr(alive_), look, path, number,
                 fresh = is_new(number)](const store::ReadResult& one) {
      if (alive.expired()) return;
      look->failed = look->failed || one.code == store::ReadCode::Unknown;
      const bool is_join = one.code == store::ReadCode::Ok && one.entry.created == look->join;
      look->join_found = look->join_found || is_join;
      if (one.code == store::ReadCode::Ok && (fresh || is_join)) {
        auto decoded = store::decode<DecisionRecord>(one.entry.data);
        auto* record = std::get_if<DecisionRecord>(&decoded);
        if (record && record->node == self_) look->found[number] = {path, std::move(*record)};
      }
      if (--look->outstanding == 0) finish(*look);
    };
    cluster_.store().get_existing(path, std::move(take));
  }
}

// What could not be read is looked for again in the next round; what was found is announced now, and only now.
void UnitDecisions::finish(const Look& look) {
  looking_ = false;
  for (const auto& [number, decision] : look.found)
    if (!decisions_.has_announced(number)) decisions_.announce(Level::Notice, decision.second, decision.first);
  if (look.failed) return;
  looked_for_ = look.trigger;
  next_ = look.next;
  if (look.join_found) keep(look.trigger.incarnation);
}

bool UnitDecisions::is_join_announced(Incarnation incarnation) const {
  return read_small_file(file_) == std::to_string(incarnation) + "\n";
}

void UnitDecisions::keep(Incarnation incarnation) {
  try {
    replace_small_file(file_, std::to_string(incarnation) + "\n");
  } catch (const Error& error) {
    runtime::log(Level::Warning, std::string("a restart of the core will announce the join again: ") + error.what());
  }
}

}  // namespace pvcd::core
