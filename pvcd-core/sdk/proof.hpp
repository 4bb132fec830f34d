// What is said about life in one line. How the keepalive tells the units of its node that its session is alive: in
// /run/pvcd/proof, replaced by rename. A reader that finds none, or an old one, has no right to act (S5); nobody has to
// answer for that.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sdk/types.hpp"

namespace pvcd {

inline constexpr const char* proof_file = "/run/pvcd/proof";
inline constexpr const char* ages_socket = "/run/pvcd/ages";

// A completed write of the liveness session, counted from when it was *sent*.
struct Proof {
  Life life;
  Instant sent_at = 0;
  bool operator==(const Proof&) const = default;
};

std::string encode_proof(const Proof&);
std::optional<Proof> decode_proof(std::string_view);

// One datagram to ages_socket, from each unit at least once a second while its loop turns.
struct AgeReport {
  std::string unit;   // "core", "libvirt", ...
  std::string state;  // starting running shutdown stalled
  std::string note;
  bool operator==(const AgeReport&) const = default;
};

std::string encode_age(const AgeReport&);
std::optional<AgeReport> decode_age(std::string_view);

// One datagram from the keepalive to each coordinator every beat_interval, beside the store. Where beats stop, the host
// is looked at early; they prove nothing, so they are not signed: a forged one makes that look late or needless.
inline constexpr Microseconds beat_interval = milliseconds(250);
struct Beat {
  std::string cluster;
  NodeName node;
  Incarnation incarnation = 0;
  bool operator==(const Beat&) const = default;
};

std::string encode_beat(const Beat&);
std::optional<Beat> decode_beat(std::string_view);

}  // namespace pvcd
