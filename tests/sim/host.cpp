#include "host.hpp"

#include "world.hpp"

namespace pvcd::sim {
namespace {

constexpr Microseconds late_write_max = milliseconds(1500);

}  // namespace

Host::Host(World& world, std::size_t index)
    : world_(world),
      index_(index),
      name_("n" + std::to_string(index + 1)),
      address_("10.0.0." + std::to_string(index + 1)) {}

// Each boot of each host has another zero, so that a value of one is never right on another.
Instant Host::clock() const { return world_.events.now() - booted_at_ + clock_offset_; }

std::uint64_t Host::wall_clock() const {
  constexpr std::int64_t began_us = 1'700'000'000'000'000;
  return static_cast<std::uint64_t>(began_us + static_cast<std::int64_t>(world_.events.now()) + wall_clock_error_us);
}

std::uint64_t Host::memory_free() const {
  std::uint64_t used = 0;
  for (const QemuPointer& qemu : qemus_) used += qemu->memory;
  return used < memory_total ? memory_total - used : 0;
}

void Host::power_on() {
  if (on_) return;
  on_ = true;
  frozen_ = false;
  boot_ = "boot-" + name_ + "-" + std::to_string(++boots_);
  booted_at_ = world_.events.now();
  clock_offset_ = seconds(1) + world_.random.below(seconds(5000));
  proof_file.clear();
  session_file = 0;
  world_.trace([&] { return name_ + " boots: " + boot_; });
  world_.chronicle.note("boot of " + name_);
  world_.store.topology_changed();
}

void Host::power_off() {
  if (!on_) return;
  world_.trace([&] { return name_ + " is off"; });
  world_.chronicle.note("end of " + name_);
  world_.ceph.falls_silent(index_);
  on_ = false;
  for (Process* process : processes_) {
    process->end();
    process->thaw();
  }
  world_.node(index_).watchdog.power_off();
  for (const QemuPointer& qemu : qemus_) qemu->lives = qemu->runs = false;
  qemus_.clear();
  world_.store.topology_changed();
}

void Host::freeze() {
  if (!runs()) return;
  world_.trace([&] { return name_ + " freezes"; });
  world_.ceph.falls_silent(index_);
  frozen_ = true;
  for (Process* process : processes_) process->freeze();
  world_.store.topology_changed();
}

void Host::thaw() {
  if (!on_ || !frozen_) return;
  world_.trace([&] { return name_ + " goes on"; });
  frozen_ = false;
  for (Process* process : processes_) process->thaw();
  world_.store.topology_changed();
}

// -------------------------------------------------------------------------------------------------------------- QEMU

QemuPointer Host::create(const VmRecord& vm, Generation generation) {
  auto qemu = std::make_shared<Qemu>();
  qemu->uuid = vm.uuid;
  qemu->process = {next_pid_++, clock()};
  qemu->node = index_;
  qemu->boot = boot_;
  qemu->generation = generation;
  qemu->memory = vm.memory;
  for (const Disk& disk : vm.disks) {
    if (disk.kind == DiskKind::Shared) {
      const auto looked = looked_at.extract(vm.uuid);
      qemu->file_system = looked.empty() ? file_system : looked.mapped();
    }
    if (disk.kind == DiskKind::Rbd) open(qemu, disk.source);
  }
  qemus_.push_back(qemu);
  world_.oracle.created(qemu);
  world_.chronicle.note("create " + vm_name(vm.uuid) + " on " + name_);
  return qemu;
}

void Host::open(const QemuPointer& qemu, const std::string& image) {
  auto instance = std::make_shared<Instance>();
  instance->address = address_ + ":0/" + std::to_string(world_.random.next() % 1000000000);
  instance->image = image;
  instance->node = index_;
  instance->responds = [this, weak = std::weak_ptr(qemu)] {
    auto one = weak.lock();
    return one && one->lives && runs() && world_.network.reaches_ceph(index_);
  };
  world_.ceph.open(instance);
  qemu->instances.push_back(std::move(instance));
}

void Host::plug(const QemuPointer& qemu, const std::string& image) {
  world_.trace([&] { return image + " is plugged into " + vm_name(qemu->uuid) + " on " + name_; });
  open(qemu, image);
  qemu->instances.back()->plugged = true;
  world_.oracle.plugged(qemu);
  world_.disks_changed(index_, qemu->uuid);
}

void Host::resume_cpus(const QemuPointer& qemu) {
  if (!qemu->lives || qemu->runs) return;
  qemu->runs = qemu->ran = true;
  world_.trace([&] {
    return "the CPUs of " + qemu->uuid + " run on " + name_ + ", generation " + std::to_string(qemu->generation);
  });
  world_.oracle.started(*qemu);
  world_.chronicle.note(vm_name(qemu->uuid) + " runs on " + name_);
  write_again(qemu);
}

void Host::start_by_hand(const VmRecord& vm) {
  const QemuPointer qemu = create(vm, 0);
  qemu->runs = qemu->ran = true;
  world_.chronicle.note(vm_name(vm.uuid) + " runs on " + name_);
  world_.domain_changed(index_, vm.uuid);
  write_again(qemu);
}

void Host::write_again(const QemuPointer& qemu) {
  world_.events.after(world_.random.between(milliseconds(200), milliseconds(1500)), [this, qemu] {
    if (!qemu->lives) return;
    if (runs() && world_.network.reaches_ceph(index_) && !qemu->instances.empty()) {
      Instance& instance = *world_.random.one_of(qemu->instances);
      const std::size_t osd = world_.random.below(osd_count);
      if (world_.ceph.write(instance, osd)) world_.oracle.wrote(*qemu, instance, osd);
    }
    write_again(qemu);
  });
}

// What a killed process has already handed to its socket is still delivered (safety rule 7).
void Host::leave_writes_behind(const Qemu& qemu) {
  if (!qemu.runs || !runs() || !world_.network.reaches_ceph(index_) || world_.random.chance(50)) return;
  for (const auto& instance : qemu.instances)
    world_.events.after(world_.random.below(late_write_max), [this, qemu, instance, boot = boot_] {
      const std::size_t osd = world_.random.below(osd_count);
      if (boot == boot_ && runs() && world_.network.reaches_ceph(index_) && world_.ceph.late_write(*instance, osd))
        world_.oracle.wrote(qemu, *instance, osd);
    });
}

void Host::end(const QemuPointer& qemu, End how) {
  if (!qemu->lives) return;
  world_.trace([&] { return "QEMU " + std::to_string(qemu->process.pid) + " of " + qemu->uuid + " ends on " + name_; });
  world_.chronicle.note(vm_name(qemu->uuid) + " ends on " + name_);
  if (how == End::Killed) {
    world_.ceph.falls_silent(index_);
    leave_writes_behind(*qemu);
  } else {
    for (const auto& instance : qemu->instances) world_.ceph.close(instance->image, instance->address);
  }
  qemu->lives = qemu->runs = false;
  std::erase(qemus_, qemu);
  world_.domain_changed(index_, qemu->uuid);
}

}  // namespace pvcd::sim
