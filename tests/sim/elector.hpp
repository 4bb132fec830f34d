// The election plugin of one node. Its transactions and what their outcome means are real (sdk/claim.hpp); the guard
// and the order of the acts follow plugins/election: guard.cpp, election.cpp.
#pragma once

#include <optional>

#include "sdk/claim.hpp"
#include "store.hpp"
#include "worker.hpp"

namespace pvcd::sim {

class Elector {
 public:
  using Reply = std::function<void(Answer)>;

  Elector(World&, std::size_t node);

  void start();
  void claim(const ClaimRequest&, const Reply&);
  void vacate(const VacateRequest&, const Reply&);

  Worker worker;

 private:
  void try_claim(const ClaimRequest&, election::Holder, const Reply&);
  void claim_by_reading(const ClaimRequest&, const Reply&);
  // The record now, and whether that is known.
  void read_leader(std::function<void(bool known, std::optional<LeaderRecord>, Version)>);
  void tick();
  void guard();

  World& world_;
  std::size_t node_;
  Client client_;
  std::optional<Instant> core_missing_since_;
};

}  // namespace pvcd::sim
