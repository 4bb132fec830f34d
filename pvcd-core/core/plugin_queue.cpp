#include "core/plugin_queue.hpp"

#include <algorithm>
#include <utility>

namespace pvcd::core {

void PluginQueue::add(Call call, Instant now) {
  if (waiting_.size() >= waiting_max) return call.drop(std::to_string(waiting_max) + " requests wait for it already");
  const auto after = std::upper_bound(waiting_.begin(), waiting_.end(), call.urgency,
                                      [](Urgency urgency, const Waiting& one) { return urgency < one.call.urgency; });
  waiting_.insert(after, {std::move(call), now});
  send_what_may(now);
}

void PluginQueue::ended(const std::string& lane, Instant now) {
  lanes_.erase(lane);
  send_what_may(now);
}

// Every call under way has a limit, so this comes often enough.
void PluginQueue::drop_old(Instant now) {
  while (true) {
    const auto old = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& one) { return now - one.since > waiting_limit; });
    if (old == waiting_.end()) return;
    const Call call = std::move(old->call);
    waiting_.erase(old);
    call.drop("it had no time for this request");
  }
}

bool PluginQueue::may_send(const Call& call) const {
  const bool of_plugin = call.lane.empty();
  return !lanes_.contains(call.lane) && (of_plugin || lanes_.size() < at_once[static_cast<std::size_t>(call.urgency)]);
}

// An answer may lead to another request at once: that one is added, and sent by the loop that is running already.
void PluginQueue::send_what_may(Instant now) {
  if (std::exchange(sending_, true)) return;
  drop_old(now);
  while (true) {
    const auto next =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return may_send(one.call); });
    if (next == waiting_.end()) break;
    const Call call = std::move(next->call);
    waiting_.erase(next);
    lanes_.insert(call.lane);
    if (!call.send()) lanes_.erase(call.lane);
  }
  sending_ = false;
}

}  // namespace pvcd::core
