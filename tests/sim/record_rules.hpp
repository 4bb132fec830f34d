// What every committed change has to obey, whoever made it and whatever it was decided on. Told from the records before
// and after it, and from who really lives; it shares no code with `logic`. The simulator and the exhaustive small
// worlds hold each transaction against it.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "entries.hpp"

namespace pvcd::sim {

// On whose behalf a transaction is made.
enum class Part { Person, Keepalive, Election, Agent, Coordinator, Store };
struct Author {
  std::size_t node = 0;
  Part part = Part::Person;
  Epoch epoch = 0;  // that was seen when it was decided
};

inline NodeName name_of_node(std::size_t index) { return "n" + std::to_string(index + 1); }

struct Truth {
  virtual ~Truth() = default;
  virtual const Entries& entries() const = 0;  // after the transaction
  virtual bool lives(const NodeName&, const BootId&) const = 0;
};

struct Broken {
  std::string rule;
  std::string text;
};

std::optional<Broken> broken_by(const Truth&, const Author&, const Key&, const Entry* before, const Entry* after);

}  // namespace pvcd::sim
