// One machine: power, boots, a clock of its own, and the QEMUs that run on it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ceph.hpp"
#include "logic/high_water.hpp"
#include "process.hpp"
#include "sdk/model.hpp"
#include "settings.hpp"

namespace pvcd::sim {

struct World;

// What the oracle knows of a writer: told by what happened, not by any record.
struct Qemu {
  VmUuid uuid;
  pvcd::Process process;
  std::size_t node = 0;
  BootId boot;
  Generation generation = 0;  // that it was created for
  std::uint64_t memory = 0;
  std::int64_t number = 0;  // in the order of creation, over all hosts
  bool lives = true;
  bool runs = false;  // its CPUs do
  bool ran = false;
  std::vector<std::shared_ptr<Instance>> instances;
  std::string file_system;  // that its file in the shared directory is on; empty: it has none
};
using QemuPointer = std::shared_ptr<Qemu>;

class Host {
 public:
  Host(World&, std::size_t index);

  const NodeName& name() const { return name_; }
  std::size_t index() const { return index_; }
  bool is_on() const { return on_; }
  bool is_frozen() const { return frozen_; }
  bool runs() const { return on_ && !frozen_; }
  const BootId& boot() const { return boot_; }
  const std::string& address() const { return address_; }
  Instant clock() const;             // CLOCK_BOOTTIME
  std::uint64_t wall_clock() const;  // for people; it may jump
  Instant booted_at() const { return booted_at_; }
  std::uint64_t memory_free() const;

  void own(Process& process) { processes_.push_back(&process); }
  void power_on();
  void power_off();
  void freeze();
  void thaw();

  const std::vector<QemuPointer>& qemus() const { return qemus_; }
  QemuPointer create(const VmRecord&, Generation);
  void plug(const QemuPointer&, const std::string& image);
  void resume_cpus(const QemuPointer&);
  void start_by_hand(const VmRecord&);  // without pvcd
  enum class End { Orderly, Killed };
  void end(const QemuPointer&, End);

  std::uint64_t memory_total = 0;
  std::string file_system = shared_file_system;  // that is mounted at the shared directory
  std::map<VmUuid, std::string> looked_at;       // by the hook shared-files: what QEMU opens then
  std::int64_t wall_clock_error_us = 0;
  std::string proof_file;  // /run/pvcd/proof
  std::uint64_t session_file = 0;
  logic::HighWaterMarks high_water;  // on its disk: no boot forgets it

 private:
  void open(const QemuPointer&, const std::string& image);
  void write_again(const QemuPointer&);
  void leave_writes_behind(const Qemu&);

  World& world_;
  std::size_t index_;
  NodeName name_;
  std::string address_;
  BootId boot_;
  std::uint64_t boots_ = 0;
  Instant booted_at_ = 0;
  Microseconds clock_offset_ = 0;
  std::int64_t next_pid_ = 100;
  bool on_ = false;
  bool frozen_ = false;
  std::vector<Process*> processes_;
  std::vector<QemuPointer> qemus_;
};

}  // namespace pvcd::sim
