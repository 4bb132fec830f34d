#include "core/storage_view.hpp"

#include <utility>

#include "runtime/clock.hpp"
#include "runtime/journal.hpp"
#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

namespace {

namespace paths = store::paths;

// An age is at most so much too high; it is never too low.
constexpr Microseconds look_interval = seconds(1);

}  // namespace

StorageView::StorageView(store::Store& store, runtime::Loop& loop)
    : store_(store),
      loop_(loop),
      mirror_(store, paths::storage, [this] { changed(); }),
      look_(loop.every(look_interval, [this] { look(); })) {}

bool StorageView::complete() const { return store_.state() == store::SessionState::Connected && mirror_.complete(); }

// Many changes of one turn of the loop become one.
void StorageView::changed() {
  if (std::exchange(rebuild_pending_, true)) return;
  loop_.defer([this] {
    rebuild_pending_ = false;
    rebuild();
    look();
    for (const auto& listener : listeners_) listener();
  });
}

// While the store cannot be reached nobody knows whether something was written.
void StorageView::look() {
  if (complete() && !rebuild_pending_) age_.look(written_, runtime::boottime_us());
}

void StorageView::rebuild() {
  const auto broken_before = std::exchange(figures_, {}).broken;
  written_.reset();
  std::erase_if(pages_, [this](const auto& page) { return !entries().contains(page.first); });
  for (const auto& [name, entry] : entries()) {
    if (name == paths::summary_name)
      read_summary(entry);
    else if (page_number(name))
      read_page(name, entry.data);
    else
      figures_.broken[paths::under(paths::storage, name)] = "nothing of ours has this name; it is left alone";
  }
  for (const auto& [path, wrong] : figures_.broken)
    if (!broken_before.contains(path))
      runtime::log(Level::Error, "store entry " + path + " cannot be used, nothing of it is shown: " + wrong);
}

void StorageView::read_summary(const store::Entry& entry) {
  auto decoded = store::decode<StorageRecord>(entry.data);
  if (const auto* error = std::get_if<store::DecodeError>(&decoded))
    figures_.broken[paths::under(paths::storage, paths::summary_name)] = error->text;
  else
    figures_.summary = std::get<StorageRecord>(std::move(decoded));
  written_ = {entry.changed, figures_.summary ? figures_.summary->age : std::nullopt};
}

void StorageView::read_page(const std::string& name, const std::string& data) {
  Page& page = pages_[name];
  if (page.data != data || data.empty()) {
    page = {data, {}, {}};
    auto decoded = store::decode<OsdPageRecord>(data);
    if (const auto* error = std::get_if<store::DecodeError>(&decoded))
      page.wrong = error->text;
    else if (page.wrong = fault_of(std::get<OsdPageRecord>(decoded), name); page.wrong.empty())
      page.osds = std::get<OsdPageRecord>(std::move(decoded)).osds;
  }
  for (const OsdFacts& osd : page.osds) figures_.osds.emplace(osd.id, osd);
  if (!page.wrong.empty()) figures_.broken[paths::under(paths::storage, name)] = page.wrong;
}

}  // namespace pvcd::core
