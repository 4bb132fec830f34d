// What must hold, told from what happened in the world and in the store. It shares no code with `logic`.
//   S1, S2  who writes to an image and who could; S3, S4  what is committed; S5, S6  who acts, on what strength;
//   S7      each act has a reason; evidence and offs are held against the truth. S10 is in settled.hpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host.hpp"
#include "logic/decision.hpp"
#include "store.hpp"

namespace pvcd::sim {

struct Violation {
  std::string rule;
  std::string text;
  Instant at = 0;
};

class Oracle {
 public:
  explicit Oracle(World& world) : world_(world) {}

  void created(const QemuPointer&);
  void started(const Qemu&);
  void wrote(const Qemu&, const Instance&, std::size_t osd);
  void breaks(std::size_t node, const std::string& image, const std::string& address);
  void acted(std::size_t node, const std::string& what);
  void sends_off(std::size_t node, const Life& victim);
  void asked_off(const NodeName& node) { asked_off_.push_back(node); }
  void sends_heartbeat(std::size_t node, std::uint64_t counter);
  void changed(const Author&, const Key&, const Entry* before, const Entry* after);
  void decided(std::size_t node, const logic::Decision&);

  void fail(const std::string& rule, const std::string& text);
  const std::optional<Violation>& violation() const { return violation_; }

 private:
  struct Health {
    std::map<std::uint64_t, Instant> sent;  // heartbeats that the store has not taken yet
    Instant proven_at = 0;                  // sending of the last one that it took
    Instant beat_at = 0;
    std::optional<Instant> healthy_since;  // session there, heartbeats without a gap
  };

  void on_record(const Qemu&);
  bool lives(const BootId&, const NodeName&) const;
  Health& health(const std::string& live_name);
  void node_changed(const Entry* before, const Entry* after);
  void leader_changed(const Entry* before, const Entry* after);
  void owner_changed(const Author&, const VmUuid&, const Entry* before, const Entry* after);
  void released(const VmUuid&, const OwnerRecord&);
  void evidence_written(const EvidenceRecord&);
  void under_old_epoch(const Author&, const Key&);

  World& world_;
  std::optional<Violation> violation_;
  std::vector<QemuPointer> qemus_;              // all there ever were, in the order of their creation
  std::map<std::string, QemuPointer> writers_;  // by address
  std::map<std::string, std::int64_t> newest_;  // image and OSD: the latest QEMU that touched it
  std::map<NodeName, Health> health_;
  std::vector<NodeName> asked_off_;
};

}  // namespace pvcd::sim
