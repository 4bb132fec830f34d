#pragma once

#include <string>

#include "sdk/proof.hpp"

namespace pvcd::keepalive {

// The file that permits the units of this node to act (S5).
class ProofFile {
 public:
  explicit ProofFile(std::string path) : path_(std::move(path)) {}

  bool write(const Proof&) const;  // false: it could not be replaced; the old one ages on
  void remove() const;

 private:
  std::string path_;
};

}  // namespace pvcd::keepalive
