// A disk that was plugged into a running VM, by whoever it was: its QEMU is one more client of Ceph, and what is not on
// record can be taken away from no dead QEMU (safety rule 17).
#include <algorithm>
#include <utility>

#include "logic/agent_vm.hpp"

namespace pvcd::logic {

// What is on record at the first look at a QEMU is taken for it: it was started, or adopted, with that. From then on a
// number that has risen says that an image is open anew, by another client than the one on record.
bool AgentVm::is_dealt_with(const PluggedImage& image) const {
  const bool recorded = std::ranges::count(run_->value.instances, image.image, &ClientInstance::image) > 0;
  if (!memory_.plugged) return recorded;
  const auto known = std::ranges::find(*memory_.plugged, image.image, &PluggedImage::image);
  return known == memory_.plugged->end() ? recorded && image.number == 0 : image.number <= known->number;
}

// Nothing else is put off for it: the VM may go, or be stopped, meanwhile.
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

// Only what was plugged in: of all else the instance is on record, so that no newcomer would be found.
ImagesRequest AgentVm::plugged_request() const {
  ImagesRequest request{{}, {}, run_->value.instances, in_.storage_addresses};
  for (const PluggedImage& each : memory_.plugging) request.disks.push_back({each.image, DiskKind::Rbd, each.image});
  return request;
}

void AgentVm::take_plugged(const Identified& identified) {
  if (identified.outcome == Outcome::Done) {
    memory_.instances.insert(memory_.instances.end(), identified.instances.begin(), identified.instances.end());
    memory_.unrecorded = memory_.instances;
    memory_.hook++;
    return;
  }
  memory_.plugged_not_before = in_.now + backoff(memory_.plugged_tries++);
  go_on();
}

void AgentVm::end_plugging() {
  memory_.plugged->insert(memory_.plugged->end(), memory_.plugging.begin(), memory_.plugging.end());
  memory_.plugging.clear();
  go_on();
}

void AgentVm::go_on() {
  if (memory_.shutdown_asked) return go(Step::AwaitShutdown);
  rest();
}

}  // namespace pvcd::logic
