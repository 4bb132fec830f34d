// How the keepalive tells the units of its node that its session is alive: one line in /run/pvcd/proof, replaced by
// rename. A reader that finds none, or an old one, has no right to act (S5); nobody has to answer for that.
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

}  // namespace pvcd
