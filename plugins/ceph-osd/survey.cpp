#include "survey.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace pvcd::ceph_osd {

namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::size_t note_bytes_max = 2048;  // reasons are partly Ceph's own words
constexpr std::uint64_t millisecond_us = 1000;
constexpr double percent = 100;

using Osds = std::map<std::uint32_t, OsdFacts>;
using Pools = std::map<std::uint32_t, PoolFacts>;

std::uint64_t rounded(double value) { return static_cast<std::uint64_t>(std::llround(std::min(value, 1e18))); }

std::optional<double> fraction(std::optional<double> of_hundred) {
  if (!of_hundred) return std::nullopt;
  return *of_hundred / percent;
}

// What is missing and why: a sentence for each reason, with all commands that it holds for.
class Missing {
 public:
  void add(const std::string& command, const std::string& why) {
    const auto same = std::ranges::find(reasons_, why, &std::pair<std::string, std::string>::first);
    if (same == reasons_.end())
      reasons_.emplace_back(why, command);
    else
      same->second += ", " + command;
  }
  std::string text() const {
    std::string all;
    for (const auto& [why, commands] : reasons_) all += (all.empty() ? "" : "; ") + commands + ": " + why;
    return all.substr(0, note_bytes_max);
  }

 private:
  std::vector<std::pair<std::string, std::string>> reasons_;
};

class Survey {
 public:
  Survey(const Replies& replies, PgRates& rates, Instant now) : replies_(replies), rates_(rates), now_(now) {}

  StorageSurvey made() {
    read("osd dump", [this](const Json& answer) { return read_dump(answer); });
    read("osd tree", [this](const Json& answer) { return read_tree(answer); });
    read("osd df", [this](const Json& answer) { return read_usage(answer); });
    const bool listed = listed_;
    read("osd perf", [this](const Json& answer) { return read_latencies(answer); });
    read("health", [this](const Json& answer) { return read_health(answer); });
    read_pool_usage();
    read("osd pool stats", [this](const Json& answer) { return read_pool_rates(answer); });
    read_rates();
    if (!listed) return {Outcome::Unknown, missing_.text(), {}, {}, {}};
    return finished();
  }

 private:
  // Of the commands that were asked; `reader` says whether it found what it looked for.
  template <class Reader>
  void read(const char* command, Reader reader) {
    const auto reply = replies_.find(command);
    if (reply == replies_.end()) return missing_.add(command, "not asked");
    if (!reply->second.answered) return missing_.add(command, reply->second.text);
    const std::optional<Json> answer = parse(reply->second.text);
    if (!answer) return missing_.add(command, "the answer is not JSON");
    if (!reader(*answer)) missing_.add(command, "the answer is JSON of an unknown form");
  }

  bool is_answered(const std::string& command) const {
    const auto reply = replies_.find(command);
    return reply != replies_.end() && reply->second.answered;
  }

  OsdFacts& osd(std::uint32_t number) {
    OsdFacts& facts = osds_[number];
    facts.id = number;
    return facts;
  }
  PoolFacts& pool(std::uint32_t number) {
    PoolFacts& facts = pools_[number];
    facts.id = number;
    return facts;
  }

  bool read_dump(const Json& answer) {
    const Json* osds = list(answer, "osds");
    if (osds == nullptr) return false;
    listed_ = true;
    for (const Json& each : *osds)
      if (const auto number = id(each, "osd")) read_state(each, osd(*number));
    if (const Json* pools = list(answer, "pools"))
      for (const Json& each : *pools)
        if (const auto number = id(each, "pool")) pool(*number).name = text(each, "pool_name");
    return true;
  }

  static void read_state(const Json& from, OsdFacts& to) {
    to.uuid = text(from, "uuid");
    to.up = flag(from, "up");
    to.in = flag(from, "in");
    to.reweight = number(from, "weight");
    to.primary_affinity = number(from, "primary_affinity");
    if (const Json* words = list(from, "state"))
      for (const Json& word : *words)
        if (word.is_string() && to.state.size() < text_bytes_max)
          to.state += (to.state.empty() ? "" : ",") + word.get<std::string>().substr(0, text_bytes_max);
  }

  // Nodes of the CRUSH map are OSDs and what holds them; an OSD that no bucket holds is a stray.
  template <class Reader>
  bool read_nodes(const Json& answer, Reader reader) {
    const Json* nodes = list(answer, "nodes");
    if (nodes == nullptr) return false;
    listed_ = true;
    for (const Json* some : {nodes, list(answer, "stray")}) {
      if (some == nullptr) continue;
      for (const Json& node : *some)
        if (const auto number = id(node, "id"); number && text(node, "type") == "osd") reader(node, osd(*number));
    }
    return true;
  }

  static void read_place(const Json& from, OsdFacts& to) {
    if (to.device_class.empty()) to.device_class = text(from, "device_class");
    if (!to.crush_weight) to.crush_weight = number(from, "crush_weight");
    if (!to.reweight) to.reweight = number(from, "reweight");
  }

  bool read_tree(const Json& answer) {
    if (!read_nodes(answer, [](const Json& from, OsdFacts& to) {
          read_place(from, to);
          if (!to.primary_affinity) to.primary_affinity = number(from, "primary_affinity");
        }))
      return false;
    for (const Json& node : *list(answer, "nodes")) {
      const Json* children = list(node, "children");
      if (children == nullptr || text(node, "type") != "host") continue;
      for (const Json& child : *children)
        if (child.is_number_unsigned())
          if (const auto known = osds_.find(child.get<std::uint32_t>()); known != osds_.end())
            known->second.node = text(node, "name");
    }
    return true;
  }

  bool read_usage(const Json& answer) {
    return read_nodes(answer, [](const Json& from, OsdFacts& to) {
      read_place(from, to);
      to.utilization = fraction(number(from, "utilization"));
      to.variance = number(from, "var");
      to.pgs = id(from, "pgs");
      to.size_bytes = times(count(from, "kb"), kib);
      to.used_bytes = times(count(from, "kb_used"), kib);
      to.available_bytes = times(count(from, "kb_avail"), kib);
    });
  }

  bool read_latencies(const Json& answer) {
    const Json* nested = member(answer, "osdstats");  // since 14
    const Json* all = list(nested == nullptr ? answer : *nested, "osd_perf_infos");
    if (all == nullptr) return false;
    manager_is_ready_ = flag(answer, "pg_ready").value_or(true);
    for (const Json& each : *all) {
      const auto number = id(each, "id");
      const Json* said = member(each, "perf_stats");
      if (!number || said == nullptr || !osds_.contains(*number)) continue;
      osd(*number).commit_latency = times(count(*said, "commit_latency_ms"), millisecond_us);
      osd(*number).apply_latency = times(count(*said, "apply_latency_ms"), millisecond_us);
    }
    return true;
  }

  bool read_health(const Json& answer) {
    health_.status = text(answer, "status");
    const Json* checks = member(answer, "checks");
    if (health_.status.empty() || checks == nullptr || !checks->is_object()) return false;
    for (const auto& [name, check] : checks->items()) {
      if (health_.checks.size() == health_checks_max) break;
      const Json* summary = member(check, "summary");
      health_.checks.push_back({name.substr(0, text_bytes_max), text(check, "severity"),
                                summary == nullptr ? "" : text(*summary, "message")});
    }
    return true;
  }

  // Monitors answer `df` without a manager, too: with zeros, or with what the last one said, nobody knows when.
  void read_pool_usage() {
    const bool has_manager =
        std::ranges::any_of(manager_commands, [this](const auto& each) { return is_answered(each); });
    if (!has_manager && is_answered("df"))
      return missing_.add("df",
                          "not used, because no command to the manager was answered, and without one the monitors "
                          "show old figures");
    if (!manager_is_ready_)
      return missing_.add("df",
                          "not used, because the manager does not know all placement groups yet, and until then the "
                          "monitors show old figures");
    read("df", [this](const Json& answer) {
      const Json* pools = list(answer, "pools");
      if (pools == nullptr) return false;
      for (const Json& each : *pools) {
        const auto number = id(each, "id");
        const Json* said = member(each, "stats");
        if (number && said != nullptr) read_pool(each, *said, pool(*number));
      }
      return true;
    });
  }

  static void read_pool(const Json& named, const Json& said, PoolFacts& to) {
    to.name = text(named, "name");
    to.available_bytes = count(said, "max_avail");
    to.objects = count(said, "objects");
    to.stored_bytes = count(said, "stored");
    if (!to.stored_bytes) return;  // before 14 the other two meant something else
    to.used_bytes = count(said, "bytes_used");
    to.used_fraction = number(said, "percent_used");  // a fraction, in spite of its name
  }

  // Ceph leaves a rate out that is zero.
  bool read_pool_rates(const Json& answer) {
    if (!answer.is_array()) return false;
    for (const Json& each : answer) {
      const auto number = id(each, "pool_id");
      const Json* said = member(each, "client_io_rate");
      if (!number || said == nullptr || !said->is_object()) continue;
      PoolFacts& to = pool(*number);
      if (to.name.empty()) to.name = text(each, "pool_name");
      to.read_ops = count(*said, "read_op_per_sec").value_or(0);
      to.write_ops = count(*said, "write_op_per_sec").value_or(0);
      to.read_bytes = count(*said, "read_bytes_sec").value_or(0);
      to.write_bytes = count(*said, "write_bytes_sec").value_or(0);
    }
    return true;
  }

  void read_rates() {
    if (tells_rates(replies_) || !is_answered("osd status")) {
      rates_.forget();
      return read("osd status", [this](const Json& answer) { return read_status(answer); });
    }
    read(groups_command.c_str(), [this](const Json& answer) { return read_groups(answer); });
  }

  bool read_status(const Json& answer) {
    const Json* all = list(answer, "OSDs");
    if (all == nullptr) return false;
    for (const Json& each : *all) {
      const auto number = id(each, "id");
      if (!number || !osds_.contains(*number)) continue;
      OsdFacts& to = osd(*number);
      to.read_ops = count(each, "read ops rate");
      to.write_ops = count(each, "write ops rate");
      to.read_bytes = count(each, "read byte rate");
      to.write_bytes = count(each, "write byte rate");
    }
    return true;
  }

  bool read_groups(const Json& answer) {
    const Json* groups = answer.is_array() ? &answer : list(answer, "pg_stats");  // a bare list before 14
    if (groups == nullptr) return false;
    const auto found = rates_.take(*groups, now_);
    if (!found) return true;  // the first of two
    for (auto& [number, facts] : osds_) {
      const auto known = found->find(number);
      const Rates rates = known == found->end() ? Rates{} : known->second;
      facts.read_ops = rounded(rates.read_ops);
      facts.write_ops = rounded(rates.write_ops);
      facts.read_bytes = rounded(rates.read_bytes);
      facts.write_bytes = rounded(rates.write_bytes);
    }
    return true;
  }

  template <class Facts>
  std::vector<Facts> first(std::map<std::uint32_t, Facts>& all, std::size_t most, const std::string& what) {
    if (all.size() > most)
      missing_.add(what, "there are " + std::to_string(all.size()) + ", and only the first " + std::to_string(most) +
                             " are shown");
    std::vector<Facts> shown;
    for (auto& [number, facts] : all) {
      if (shown.size() == most) break;
      shown.push_back(std::move(facts));
    }
    return shown;
  }

  StorageSurvey finished() {
    StorageSurvey survey;
    survey.outcome = Outcome::Done;
    survey.osds = first(osds_, osds_max, "OSDs");
    survey.pools = first(pools_, pools_max, "pools");
    survey.health = std::move(health_);
    survey.note = missing_.text();
    return survey;
  }

  const Replies& replies_;
  PgRates& rates_;
  const Instant now_;
  Missing missing_;
  Osds osds_;
  Pools pools_;
  HealthFacts health_;
  bool listed_ = false;
  bool manager_is_ready_ = true;  // unless it says that it is not
};

}  // namespace

bool tells_rates(const Replies& replies) {
  const auto reply = replies.find("osd status");
  return reply != replies.end() && reply->second.answered && parse(reply->second.text);
}

StorageSurvey survey_of(const Replies& replies, PgRates& rates, Instant now) {
  return Survey(replies, rates, now).made();
}

}  // namespace pvcd::ceph_osd
