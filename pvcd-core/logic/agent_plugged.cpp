// A disk that was plugged into a running VM, by whoever it was: its QEMU is one more client of Ceph, and what is not on
// record can be taken away from no dead QEMU (safety rule 17).
#include <algorithm>
#include <utility>

#include "logic/agent_vm.hpp"

namespace pvcd::logic {

// A number that has risen says that an image is open anew, by another client than the one on record. One that is above
// 0 at the first look may have risen before this process began.
bool AgentVm::is_dealt_with(const PluggedImage& image) const {
  const auto known = std::ranges::find(memory_.plugged, image.image, &PluggedImage::image);
  if (known != memory_.plugged.end()) return image.number <= known->number;
  return image.number == 0 && std::ranges::count(run_->value.instances, image.image, &ClientInstance::image) > 0;
}

// Between two tries nothing else is put off for it: the VM may go, or be stopped, meanwhile.
void AgentVm::notice_plugged() {
  if (in_.stopping || !is_own_run() || run_->value.process != memory_.process) return;
  std::vector<PluggedImage> dealt_with, fresh;
  if (const auto fact = in_.images.find(uuid_); fact != in_.images.end())
    for (const PluggedImage& each : fact->second) (is_dealt_with(each) ? dealt_with : fresh).push_back(each);
  memory_.plugged = std::move(dealt_with);
  if (fresh != memory_.plugging) {
    memory_.plugged_tries = 0;
    memory_.plugged_not_before = 0;
    memory_.plugging = std::move(fresh);
  }
  if (memory_.plugging.empty() || in_.now < memory_.plugged_not_before) return;
  memory_.instances.clear();
  go(Step::IdentifyPlugged);
}

ImagesRequest AgentVm::plugged_request() const {
  ImagesRequest request{{}, {}, {}, in_.storage_addresses, false};
  for (const PluggedImage& each : memory_.plugging) request.disks.push_back({each.image, DiskKind::Rbd, each.image});
  return request;
}

// The record that is to grow may have become unreadable, or be gone, while the hook was asked.
void AgentVm::take_plugged(const Identified& identified) {
  if (!is_own_run()) return start_over();
  if (identified.outcome == Outcome::Done) {
    for (const ClientInstance& each : identified.instances)
      if (std::ranges::count(run_->value.instances, each) == 0) memory_.instances.push_back(each);
    memory_.unrecorded = memory_.instances;
    memory_.hook++;
    return;
  }
  memory_.plugged_not_before = in_.now + backoff(memory_.plugged_tries++);
  watch_on();
}

void AgentVm::end_plugging() {
  memory_.plugged.insert(memory_.plugged.end(), memory_.plugging.begin(), memory_.plugging.end());
  memory_.plugging.clear();
  watch_on();
}

void AgentVm::watch_on() {
  if (memory_.shutdown_asked) return go(Step::AwaitShutdown);
  rest();
}

}  // namespace pvcd::logic
