#include "proof_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace pvcd::keepalive {

bool ProofFile::write(const Proof& proof) const {
  const auto next = path_ + ".new";
  const auto text = encode_proof(proof);
  const int file = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return ::close(file) == 0 && written && ::rename(next.c_str(), path_.c_str()) == 0;
}

void ProofFile::remove() const { ::unlink(path_.c_str()); }

}  // namespace pvcd::keepalive
