// The keepalive of one node. Joining is the real decision (sdk/join.hpp); the rest follows plugins/keepalive:
// keepalive.cpp, heartbeat.cpp, cluster_look.cpp, ages.cpp.
#pragma once

#include <optional>

#include "sdk/join.hpp"
#include "store.hpp"

namespace pvcd::sim {

// What a node of this name finds in the store when it wants to join in this boot.
keepalive::ClusterLook look_at(const World&, const NodeName&, const BootId&);

class Keepalive {
 public:
  Keepalive(World&, std::size_t node);

  void start();
  void kill();   // its session outlives it
  void leave();  // an orderly end of the whole node (safety rule 11)
  bool is_leaving() const { return last_word_ && process.lives(); }
  bool beating() const { return beating_; }

  void hear_core(bool shuts_down);

  Process process;

 private:
  void look();
  void decide(const keepalive::ClusterLook&);
  void carry_out(const keepalive::Resume&);
  void carry_out(const keepalive::Join&);
  void carry_out(const keepalive::Wait&);
  void carry_out(const keepalive::Refuse&);
  void commit(const Changes&, Events::Act committed);
  void hold(Microseconds retry);
  void begin_life(Incarnation, std::uint64_t counter);
  void remove_former_lives();
  void lose();
  void expired();

  void on_time(std::uint64_t round);
  void beat();
  void beat_beside_the_store(std::uint64_t round);
  void hear_plugins();
  void answered(const CommitOutcome&, Instant sent_at);
  void say_last_word(Instant deadline);
  LiveRecord snapshot() const;
  NodeRecord own_record() const;

  World& world_;
  std::size_t node_;
  Client client_;
  Incarnation incarnation_ = 0;
  std::uint64_t counter_ = 0;
  std::uint64_t round_ = 0;
  bool beating_ = false;
  bool under_way_ = false;
  bool attempting_ = false;
  DaemonState daemon_state_ = DaemonState::Init;
  std::optional<DaemonState> last_word_;
  Instant last_word_at_ = 0;
  bool last_word_told_ = false;
  std::optional<Instant> core_heard_;
  std::map<std::string, Instant> plugins_heard_;
};

}  // namespace pvcd::sim
