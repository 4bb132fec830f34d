// Hears the heartbeats that come beside the store (sdk/proof.hpp). Only a coordinator listens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logic/liveness.hpp"
#include "runtime/loop.hpp"
#include "sdk/plugin.hpp"

namespace pvcd::core {

class Beats {
 public:
  Beats(runtime::Loop&, const Settings& shared);
  ~Beats();
  Beats(const Beats&) = delete;
  Beats& operator=(const Beats&) = delete;

  const logic::Heards& heard() const { return heard_; }

 private:
  void listen();
  void receive(int socket);

  runtime::Loop& loop_;
  std::string cluster_;
  std::uint16_t port_;
  std::vector<std::string> addresses_;  // to listen on
  std::vector<int> sockets_;
  std::vector<runtime::Source> readable_;
  runtime::Timer retry_;
  std::string trouble_;
  logic::Heards heard_;
};

}  // namespace pvcd::core
