#include "start_token.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace pvcd::libvirt {

StartToken::StartToken(std::string directory, const VmUuid& uuid)
    : directory_(std::move(directory)), file_(directory_ + "/" + uuid) {}

std::string StartToken::leave(Generation generation, Instant not_after) const {
  const std::string fresh = file_ + ".new";
  mkdir(directory_.c_str(), 0700);
  std::ofstream out(fresh);
  out << not_after << " " << generation << "\n";
  out.close();
  if (out && rename(fresh.c_str(), file_.c_str()) == 0) return {};
  return "leave to start cannot be left for libvirt's hook: " + file_ + ": " + std::strerror(errno);
}

bool StartToken::take_back() const { return unlink(file_.c_str()) == 0; }

// Whoever removes it has it: of the hook and the plugin that takes it back only one can.
bool use_start_token(const std::string& directory, const VmUuid& uuid, Generation generation, Instant now) {
  const std::string file = directory + "/" + uuid;
  std::ifstream in(file);
  Instant not_after = 0;
  Generation meant = 0;
  if (!(in >> not_after >> meant) || meant != generation || now >= not_after) return false;
  return unlink(file.c_str()) == 0;
}

void forget_start_tokens(const std::string& directory) {
  std::error_code none;
  std::filesystem::remove_all(directory, none);
}

}  // namespace pvcd::libvirt
