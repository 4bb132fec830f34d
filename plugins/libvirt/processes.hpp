// What /proc says about QEMU. A VM runs here while one of its processes lives, whatever libvirt believes (safety rule
// 3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sdk/model.hpp"

namespace pvcd::libvirt {

enum class Existence { Unknown, Alive, Gone };

struct Qemu {
  Process process;
  VmUuid uuid;  // empty: a QEMU on its way out, which has dropped its command line but not yet its open files
};

class Processes {
 public:
  explicit Processes(std::string proc = "/proc") : proc_(std::move(proc)) {}

  // Gone also when the pid now belongs to a process with another start time.
  Existence look(const Process&) const;

  // Every living process of this pid namespace that was started with "-uuid". Nothing if /proc cannot be read.
  std::optional<std::vector<Qemu>> qemus() const;

 private:
  struct Status;
  // These throw Error if /proc refuses, and give nothing for a process that has vanished.
  std::optional<Status> status(std::int64_t pid) const;
  std::optional<Qemu> qemu(std::int64_t pid) const;
  std::string arguments_of_threads(std::int64_t pid) const;
  bool in_nested_namespace(std::int64_t pid) const;
  void require_own_namespace() const;

  std::string proc_;
};

}  // namespace pvcd::libvirt
