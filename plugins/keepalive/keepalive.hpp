// The node's liveness: joins the cluster, proves every T/6 that it lives, publishes how old the units' reports are.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "age_socket.hpp"
#include "ages.hpp"
#include "beacon.hpp"
#include "cluster_look.hpp"
#include "heartbeat.hpp"
#include "occasional_log.hpp"
#include "proof_file.hpp"
#include "sdk/join.hpp"
#include "sdk/plugin.hpp"
#include "self_fence_files.hpp"
#include "sleep.hpp"
#include "store/private_loop.hpp"
#include "store/store.hpp"
#include "timer.hpp"

namespace pvcd::keepalive {

using OpenStore = std::function<std::unique_ptr<store::Store>(sd_event*, Host&, const std::string& session_file)>;
std::unique_ptr<store::Store> open_cluster_store(sd_event*, Host&, const std::string& session_file);

class Keepalive : public Plugin {
 public:
  explicit Keepalive(OpenStore open = open_cluster_store) : open_(std::move(open)) {}

  void start(Host&) override;
  void stop() noexcept override;

 private:
  void on_state(store::SessionState);
  void connected();
  void expired();

  void look();
  void decide(const LookResult&);
  void carry_out(const Resume&);
  void carry_out(const Join&);
  void carry_out(const Wait&);
  void carry_out(const Refuse&);
  void commit(const Changes&, std::function<void()> committed);
  void hold(Level, const std::string& reason, Microseconds retry);
  void begin_life(Incarnation, std::uint64_t counter, const std::string& how);
  void remove_former_lives();
  void aim_beacon();

  LiveRecord snapshot() const;
  void proven(Instant sent_at);
  void lose(const std::string& why);
  void receive(std::string_view datagram);
  void leave();
  bool get_in();
  bool publish(DaemonState);

  OwnFacts own_facts() const;
  bool session_is_short() const;

  OpenStore open_;
  Host* host_ = nullptr;
  std::string run_directory_;
  NodeRecord node_;  // as it is now; the incarnation is the heartbeat's business
  Microseconds session_timeout_wanted_ = 0;

  Ages ages_;
  std::optional<DaemonState> last_word_;  // set when this node leaves
  std::optional<ProofFile> proof_;
  std::optional<SelfFenceFiles> self_fence_;
  std::optional<SleepWatch> sleep_;
  std::optional<OccasionalLog> hold_log_, garbage_log_, stall_log_, proof_log_;
  std::optional<AgeSocket> age_socket_;
  std::optional<store::PrivateLoop> loop_;
  std::unique_ptr<store::Store> store_;
  std::optional<Timer> retry_;
  std::optional<Heartbeat> heartbeat_;
  std::optional<Beacon> beacon_;
  std::optional<Timer> aim_;
  std::vector<NodeName> coordinators_;                                  // all but this node
  std::map<NodeName, std::vector<std::string>> coordinator_addresses_;  // as their records say
  std::uint64_t attempt_ = 0;  // to join: an answer to a former attempt is nobody's
  bool attempting_ = false;
  Instant proven_at_ = 0;  // when the last completed heartbeat was sent; 0: none in this life
};

}  // namespace pvcd::keepalive
