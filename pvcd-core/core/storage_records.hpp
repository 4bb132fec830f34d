// The storage figures in the store: which OSD is on which page, what a cycle has to write, and how old what was read
// is. Pure: the time is an argument.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/model.hpp"
#include "store/store.hpp"

namespace pvcd::core {

inline constexpr std::uint32_t osds_per_page = 64;
// Pages of one transaction; the guard and the operations' own needs fit into the rest.
inline constexpr std::size_t page_bytes_at_once = store::transaction_bytes_max / 2;

std::string page_name(std::uint32_t page);                            // "osds-3"
std::optional<std::uint32_t> page_number(const std::string& name);    // nothing: no such name is ours
std::string fault_of(const OsdPageRecord&, const std::string& name);  // empty: it lies where its OSDs belong

// From what is there, by name, to pages with these OSDs: what differs is written, and a page without an OSD is removed.
// What has a name that is none of ours is left alone.
using StoredEntries = std::map<std::string, store::Entry>;
std::vector<std::vector<store::Operation>> page_writes(const StoredEntries&, const std::vector<OsdFacts>& osds);

// How old the figures are, counted on this node's own clock and on no other. What is read for the first time may have
// been written at any time, so its age is not known before it has been seen to change; what has changed was written
// after the last look at which it had not.
class FigureAge {
 public:
  struct Version {
    std::uint64_t changed = 0;        // number of the transaction that wrote it
    std::optional<Microseconds> age;  // of the figures at that time
  };

  // At each change, and at short intervals as long as the store can be reached.
  void look(const std::optional<Version>& written, Instant now);
  std::optional<Microseconds> at(Instant now) const;

 private:
  std::optional<Version> seen_;
  std::optional<Instant> looked_at_;
  std::optional<Instant> written_after_;
};

}  // namespace pvcd::core
