#include "rates.hpp"

#include <utility>

namespace pvcd::ceph_osd {

namespace {

constexpr double kib = 1024;

// A counter that went back was begun anew.
double grown(std::uint64_t before, std::uint64_t now) { return now > before ? static_cast<double>(now - before) : 0; }

}  // namespace

std::optional<PgRates::Counters> PgRates::counters_of(const Json& group) {
  const Json* sum = member(group, "stat_sum");
  if (sum == nullptr) return std::nullopt;
  const auto reads = count(*sum, "num_read");
  const auto writes = count(*sum, "num_write");
  const auto read_kb = count(*sum, "num_read_kb");
  const auto write_kb = count(*sum, "num_write_kb");
  if (!reads || !writes || !read_kb || !write_kb) return std::nullopt;
  return Counters{*reads, *writes, *read_kb, *write_kb};
}

void PgRates::add(Rates& to, const Counters& before, const Counters& now, double seconds) {
  to.read_ops += grown(before.reads, now.reads) / seconds;
  to.write_ops += grown(before.writes, now.writes) / seconds;
  to.read_bytes += grown(before.read_kb, now.read_kb) * kib / seconds;
  to.write_bytes += grown(before.write_kb, now.write_kb) * kib / seconds;
}

std::optional<std::map<std::uint32_t, Rates>> PgRates::take(const Json& groups, Instant now) {
  const bool comparable = !last_.empty() && now > last_at_ && now - last_at_ <= window_max;
  const double passed_s = static_cast<double>(now - last_at_) / 1e6;
  std::map<std::uint32_t, Rates> rates;
  std::map<std::string, Counters> counters;
  for (const Json& group : groups) {
    const auto primary = id(group, "acting_primary");
    const auto found = counters_of(group);
    if (!primary || !found) continue;
    const std::string name = text(group, "pgid");
    Rates& of_primary = rates[*primary];
    if (const auto before = last_.find(name); comparable && before != last_.end())
      add(of_primary, before->second, *found, passed_s);
    counters.emplace(name, *found);
  }
  last_ = std::move(counters);
  last_at_ = now;
  if (!comparable) return std::nullopt;
  return rates;
}

}  // namespace pvcd::ceph_osd
