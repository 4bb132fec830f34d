// Carries out what the core decided about leadership, and takes it away from a core that has stopped deciding.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "guard.hpp"
#include "sdk/plugin.hpp"
#include "sdk/roles.hpp"
#include "store/private_loop.hpp"
#include "store/store.hpp"

namespace pvcd::election {

using OpenStore = std::function<std::unique_ptr<store::Store>(sd_event*, Host&)>;
std::unique_ptr<store::Store> open_cluster_store(sd_event*, Host&);

class Election : public Plugin, public Elector {
 public:
  explicit Election(OpenStore open = open_cluster_store) : open_(std::move(open)) {}

  void start(Host&) override;
  void tick() override;
  void stop() noexcept override;

  Answer claim(const ClaimRequest&) override;
  Answer vacate(const VacateRequest&) override;

 private:
  struct LeaderNow {
    store::ReadCode code = store::ReadCode::Unknown;
    std::optional<LeaderRecord> record;  // code Ok only
    Version version = 0;
    bool known() const { return record || code == store::ReadCode::NoEntry; }
  };

  template <class Result, class Start>
  Result ask(Result unknown, Start start);
  store::CommitResult commit(const Changes&);
  LeaderNow read_leader();
  Answer claim_by_reading(const ClaimRequest&);

  void look_at_leader();
  void look_at_core(const LeaderRecord&, Version);
  void judge_core(const LeaderRecord&, Version, const store::ReadResult&);

  OpenStore open_;
  Host* host_ = nullptr;
  NodeName node_;
  Microseconds decision_limit_ = 0;
  std::optional<store::PrivateLoop> loop_;
  std::unique_ptr<store::Store> store_;
  GuardMemory guard_;
  bool guarding_ = false;  // a look is under way
};

}  // namespace pvcd::election
