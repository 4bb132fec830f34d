#include "runtime/proof.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "runtime/names.hpp"

namespace pvcd::runtime {

std::optional<Proof> read_proof() {
  std::ifstream file(names::run_directory() + "/proof");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return decode_proof(text);
}

}  // namespace pvcd::runtime
