#include "self_fence_files.hpp"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

namespace pvcd::keepalive {

SelfFenceFiles::SelfFenceFiles(const std::string& run_directory, BootId boot, bool wanted)
    : words_path_(run_directory + "/" + self_fence_file),
      permit_path_(run_directory + "/" + disarm_file),
      boot_(std::move(boot)),
      wanted_(wanted) {
  ::unlink(permit_path_.c_str());
}

std::optional<SelfFence> SelfFenceFiles::words(bool leaving) const {
  if (!wanted_) return std::nullopt;
  if (leaving) return SelfFence{false, 0, 0, "the node leaves"};
  std::ifstream file(words_path_);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return decode_self_fence(text, boot_).value_or(SelfFence{false, 0, 0, "pvcd-watchdog.service does not run"});
}

void SelfFenceFiles::permit_disarm() const { std::ofstream(permit_path_) << encode_disarm(boot_); }

}  // namespace pvcd::keepalive
