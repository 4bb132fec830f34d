// The last proof of this node's session, as its keepalive left it (sdk/proof.hpp).
#pragma once

#include <optional>

#include "sdk/proof.hpp"

namespace pvcd::runtime {

// Nothing: there is none, or it is not readable as one. Whether it is young enough is the reader's question.
std::optional<Proof> read_proof();

}  // namespace pvcd::runtime
