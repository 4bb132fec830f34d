#include "core/storage_records.hpp"

#include <charconv>

#include "store/codec.hpp"
#include "store/paths.hpp"

namespace pvcd::core {

namespace {

namespace paths = store::paths;

const std::string prefix = "osds-";

std::map<std::string, OsdPageRecord> pages_of(const std::vector<OsdFacts>& osds) {
  std::map<std::string, OsdPageRecord> pages;
  for (const OsdFacts& osd : osds) pages[page_name(osd.id / osds_per_page)].osds.push_back(osd);
  return pages;
}

class Transactions {
 public:
  void add(store::Operation operation, std::size_t bytes) {
    if (all_.empty() || bytes_ + bytes > page_bytes_at_once) {
      all_.emplace_back();
      bytes_ = 0;
    }
    all_.back().push_back(std::move(operation));
    bytes_ += bytes;
  }
  std::vector<std::vector<store::Operation>> take() { return std::move(all_); }

 private:
  std::vector<std::vector<store::Operation>> all_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::string page_name(std::uint32_t page) { return prefix + std::to_string(page); }

std::optional<std::uint32_t> page_number(const std::string& name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  std::uint32_t page = 0;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), page);
  if (error != std::errc() || page_name(page) != name) return std::nullopt;
  return page;
}

std::string fault_of(const OsdPageRecord& record, const std::string& name) {
  std::optional<std::uint32_t> last;
  for (const OsdFacts& osd : record.osds) {
    if (page_name(osd.id / osds_per_page) != name) return "OSD " + std::to_string(osd.id) + " belongs to another page";
    if (last && osd.id <= *last) return "its OSDs are not in the order of their ids";
    last = osd.id;
  }
  return {};
}

std::vector<std::vector<store::Operation>> page_writes(const StoredEntries& stored, const std::vector<OsdFacts>& osds) {
  Transactions transactions;
  const auto pages = pages_of(osds);
  for (const auto& [name, page] : pages) {
    const std::string text = store::encode(page);
    const std::string path = paths::under(paths::storage, name);
    const auto there = stored.find(name);
    if (there == stored.end())
      transactions.add(store::Create{path, text}, text.size());
    else if (there->second.data != text)
      transactions.add(store::Set{path, text, there->second.version}, text.size());
  }
  for (const auto& [name, entry] : stored)
    if (page_number(name) && !pages.contains(name))
      transactions.add(store::Remove{paths::under(paths::storage, name), entry.version}, name.size());
  return transactions.take();
}

void FigureAge::look(const std::optional<Version>& written, Instant now) {
  const bool is_new = written.has_value() != seen_.has_value() || (written && written->changed != seen_->changed);
  if (is_new) {
    written_after_ = looked_at_;
    seen_ = written;
  }
  looked_at_ = now;
}

std::optional<Microseconds> FigureAge::at(Instant now) const {
  if (!seen_ || !seen_->age || !written_after_) return std::nullopt;
  return *seen_->age + (now - *written_after_);
}

}  // namespace pvcd::core
