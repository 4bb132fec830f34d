// What other units of this node decide in its name is in the store with what it changed: the keepalive's joins, the
// election's claims and vacancies. They cannot emit a signal of org.pvcd1, so the core finds those records and
// announces them, each once. What the core itself has written and got no answer about is found here as well.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/cluster.hpp"
#include "core/decisions.hpp"

namespace pvcd::core {

// The cluster outlives it; what is read after its end is dropped.
class UnitDecisions {
 public:
  static constexpr std::size_t read_max = Decisions::remembered_max;  // the newest ones of the whole cluster

  // The file, below /run, outlives a restart of the core: its join is announced once in a boot.
  UnitDecisions(Cluster&, Decisions&, NodeName self, std::string file);

  void round(Incarnation self);  // after every change of the view; 0: this boot has not joined
  bool is_looking() const { return looking_; }

 private:
  // What such a decision changes: when none of it has, nobody looks.
  struct Trigger {
    std::optional<Version> leader;  // while this node is primary
    Incarnation incarnation = 0;
    bool operator==(const Trigger&) const = default;
  };
  struct Look;

  void find_join(const std::shared_ptr<Look>&);
  void list(const std::shared_ptr<Look>&);
  void read(const std::shared_ptr<Look>&, std::vector<std::string> names);
  void finish(const Look&);
  bool is_join_announced(Incarnation) const;
  void keep(Incarnation);

  Cluster& cluster_;
  Decisions& decisions_;
  NodeName self_;
  std::string file_;
  std::optional<Trigger> looked_for_;
  std::optional<std::uint64_t> next_;  // number after the newest one at the last look; before the first: unknown
  bool looking_ = false;
  std::shared_ptr<std::monostate> alive_;
};

}  // namespace pvcd::core
