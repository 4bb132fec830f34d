#include "verify/export.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

#include "runtime/loop.hpp"
#include "store/codec.hpp"
#include "store/options.hpp"
#include "store/paths.hpp"
#include "verify/history_file.hpp"

namespace pvcd::verify {
namespace {

namespace paths = store::paths;

constexpr Microseconds answer_limit = seconds(20);  // of each step; a client finds a living server within it

void warn(const std::string& what) { std::cerr << what << '\n'; }

// The store as somebody sees it who may wait for it.
class Reader {
 public:
  explicit Reader(const Settings& shared)
      : store_(store::open_zookeeper(loop_.get(), store::zookeeper_options(shared, warn))) {
    wait([this] { return store_->state() == store::SessionState::Connected; });
    bool synced = false;
    store_->sync([&](store::ReadCode) { synced = true; });
    wait([&] { return synced; });
  }
  ~Reader() { store_->close(); }

  // Of entries that are gone by now, nothing.
  std::vector<std::optional<std::string>> read(const std::vector<std::string>& names) {
    std::vector<store::ReadResult> results(names.size());
    std::size_t answered = 0;
    for (std::size_t i = 0; i < names.size(); ++i)
      store_->get_existing(names[i], [&, i](const store::ReadResult& result) {
        results[i] = result;
        ++answered;
      });
    wait([&] { return answered == names.size(); });
    std::vector<std::optional<std::string>> texts;
    for (const store::ReadResult& result : results)
      texts.push_back(is_there(result) ? std::optional(result.entry.data) : std::nullopt);
    return texts;
  }

  std::vector<std::string> list(const std::string& directory) {
    std::optional<store::ReadResult> result;
    store_->list(directory, [&](const store::ReadResult& one) { result = one; });
    wait([&] { return result.has_value(); });
    std::vector<std::string> names = is_there(*result) ? result->children : std::vector<std::string>();
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  static bool is_there(const store::ReadResult& result) {
    if (result.code == store::ReadCode::Denied)
      throw Error("the store denies access: is [store] credentials_file that of this cluster?");
    if (result.code == store::ReadCode::Unknown) throw Error("the store did not answer");
    return result.code == store::ReadCode::Ok;
  }

  template <class Condition>
  void wait(Condition come) {
    bool late = false;
    const runtime::Timer limit = loop_.once(answer_limit, [&] { late = true; });
    while (!come()) {
      if (late) throw Error("the store did not answer within " + std::to_string(answer_limit / seconds(1)) + " s");
      if (store_->state() == store::SessionState::Denied) throw Error("the store denies access");
      loop_.turn();
    }
  }

  runtime::Loop loop_;
  std::unique_ptr<store::Store> store_;
};

StoredHistory history_of(Reader& reader, const VmUuid& uuid) {
  StoredHistory history{uuid, {}, {}};
  const std::string owner = paths::of({Kind::Owner, uuid});
  const auto names = reader.list(owner);
  std::vector<std::string> wanted{paths::of({Kind::Vm, uuid})};
  for (const std::string& name : names) wanted.push_back(paths::under(owner, name));
  const auto texts = reader.read(wanted);
  if (texts[0]) {
    const auto vm = store::decode<VmRecord>(*texts[0]);
    if (const auto* record = std::get_if<VmRecord>(&vm)) history.name = record->name;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (const auto number = number_of(names[i]); number && texts[i + 1])
      history.links.push_back({*number, *texts[i + 1]});
  return history;
}

}  // namespace

std::string export_history(const Settings& shared) {
  Reader reader(shared);
  std::vector<StoredHistory> histories;
  for (const VmUuid& uuid : reader.list(paths::owners)) histories.push_back(history_of(reader, uuid));
  return write_history(shared.text("cluster.name"), histories);
}

}  // namespace pvcd::verify
